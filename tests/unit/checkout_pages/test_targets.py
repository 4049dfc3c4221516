"""Where a visitor wants to go is signed; whatever is not signed by us, and fresh, is refused."""

import pytest

from policies.return_url import MAX_TARGET_CHARS
from tests.support.pages import Pages

TOO_OLD = (400, "This link is too old")

NOT_OURS = [
    "nonsense",
    "e30",
    "%00",
    "%C3%A9",
    "%ff",
    "=",
    "====",
    "a" * 4000,
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "%0d%0aLocation:%20https://evil.example/",
]


def bad_targets(pages: Pages) -> dict[str, str]:
    """Return signed texts that are not good any more, or never were."""
    signed = pages.sign()
    return {
        "signed with another key": pages.sign(key=b"x" * 32),
        "signed with no key": pages.sign(key=b""),
        "expired": pages.sign(good_for_s=-1),
        "expired this instant": pages.sign(good_for_s=0),
        "of an unknown host": pages.sign(host="evil.example"),
        "of our own host": pages.sign(host="tollway.example"),
        "cut short": signed[:-4],
        "drawn out": signed + "AAAA",
        "changed in its signature": ("B" if signed[0] == "A" else "A") + signed[1:],
    }


BAD = [
    "signed with another key",
    "signed with no key",
    "expired",
    "expired this instant",
    "of an unknown host",
    "of our own host",
    "cut short",
    "drawn out",
    "changed in its signature",
]


@pytest.mark.parametrize("to", NOT_OURS)
@pytest.mark.parametrize("page", ["/sign-in", "/checkout"])
async def test_an_unsigned_target_is_too_old_to_a_stranger(
    pages: Pages, page: str, to: str
) -> None:
    answer = await pages.get(f"{page}?to={to}")

    assert (answer.status, answer.title) == TOO_OLD
    assert "Location" not in answer.headers


@pytest.mark.parametrize("why", BAD)
@pytest.mark.parametrize("page", ["/sign-in", "/checkout"])
async def test_a_bad_target_is_too_old_to_a_visitor(pages: Pages, page: str, why: str) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"{page}?to={bad_targets(pages)[why]}", session=session)

    assert (answer.status, answer.title) == TOO_OLD
    assert "Location" not in answer.headers


@pytest.mark.parametrize("why", BAD)
async def test_a_posted_sign_in_with_a_bad_target_signs_nobody_in(pages: Pages, why: str) -> None:
    answer = await pages.post("/sign-in", {"name": "alice", "to": bad_targets(pages)[why]})

    assert (answer.status, answer.title) == TOO_OLD
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("why", BAD)
async def test_a_posted_choice_with_a_bad_target_sells_nothing(pages: Pages, why: str) -> None:
    session = await pages.sign_in()
    form = {"plan": "reader", "to": bad_targets(pages)[why]}

    answer = await pages.submit("/checkout", form, session=session)

    assert (answer.status, answer.title) == TOO_OLD
    assert await pages.shop.find_abandoned("1") is None


async def test_a_target_that_is_too_long_is_not_read(pages: Pages) -> None:
    form = {"name": "alice", "to": "A" * (4 * MAX_TARGET_CHARS + 1)}

    answer = await pages.post("/sign-in", form)

    assert (answer.status, answer.title) == TOO_OLD


async def test_a_checkout_without_a_target_is_too_old(pages: Pages) -> None:
    answer = await pages.get("/checkout")

    assert (answer.status, answer.title) == TOO_OLD


async def test_a_target_is_good_until_its_last_second(pages: Pages) -> None:
    to = pages.sign(good_for_s=60)
    pages.clock.move(seconds=59)

    answer = await pages.get(f"/sign-in?to={to}")

    assert answer.status == 200


async def test_a_link_that_is_too_old_leads_to_our_apps_alone(pages: Pages) -> None:
    answer = await pages.get("/checkout?to=https://evil.example")

    assert answer.links == [
        "http://notes.example",
        "http://api.example",
        "http://tollway.example/",
    ]
