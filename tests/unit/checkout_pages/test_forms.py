"""A form is taken from our own pages alone (CSRF)."""

import pytest

from checkout_pages.forms import csrf_token
from tests.support.pages import KEY, PLANS, Pages

POSTS = ["/checkout", "/account/cancel", "/account/resume", "/sign-out"]

FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://notes.example"},
    {"Origin": "https://tollway.example"},
    {"Origin": "http://tollway.example.evil.example"},
    {"Origin": "http://tollway.example:81"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "null", "Sec_Fetch_Site": "same-origin"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "nonsense"},
]


async def whole_form(pages: Pages, session: str) -> dict[str, str]:
    """Return fields with which every post would succeed."""
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[2])
    return {"to": pages.sign(), "plan": "reader", "subscription": held.id}


@pytest.mark.parametrize("path", POSTS)
async def test_a_whole_form_is_taken(pages: Pages, path: str) -> None:
    session = await pages.sign_in()
    form = await whole_form(pages, session)

    answer = await pages.submit(path, form, session=session)

    assert answer.status == 303


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", POSTS)
async def test_a_form_of_a_foreign_page_is_refused(
    pages: Pages, path: str, headers: dict[str, str]
) -> None:
    session = await pages.sign_in()
    form = await whole_form(pages, session)

    answer = await pages.submit(path, form, session=session, **headers)

    assert answer.status == 403


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_sign_in_of_a_foreign_page_is_refused(
    pages: Pages, headers: dict[str, str]
) -> None:
    answer = await pages.post("/sign-in", {"name": "alice"}, **headers)

    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://tollway.example"},
        {"Origin": "http://tollway.example", "Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
    ],
    ids=str,
)
async def test_a_form_of_our_own_page_is_taken(pages: Pages, headers: dict[str, str]) -> None:
    session = await pages.sign_in()

    answer = await pages.submit("/sign-out", {}, session=session, **headers)

    assert (answer.status, answer.location) == (303, "/")


@pytest.mark.parametrize("csrf", ["", "x", "0" * 64, "\N{LATIN SMALL LETTER E WITH ACUTE}"])
@pytest.mark.parametrize("path", POSTS)
async def test_a_wrong_proof_is_refused(pages: Pages, path: str, csrf: str) -> None:
    session = await pages.sign_in()
    form = await whole_form(pages, session)

    answer = await pages.submit(path, {**form, "csrf": csrf}, session=session)

    assert answer.status == 403


@pytest.mark.parametrize("path", POSTS)
async def test_a_missing_proof_is_refused(pages: Pages, path: str) -> None:
    session = await pages.sign_in()
    form = await whole_form(pages, session)

    answer = await pages.post(path, form, session=session)

    assert answer.status == 403


@pytest.mark.parametrize("path", POSTS)
async def test_the_proof_of_another_session_is_refused(pages: Pages, path: str) -> None:
    session = await pages.sign_in()
    form = await whole_form(pages, session)
    others = csrf_token(await pages.sign_in("mallory"), KEY)

    answer = await pages.submit(path, {**form, "csrf": others}, session=session)

    assert answer.status == 403


async def test_the_proof_of_an_earlier_session_of_the_same_visitor_is_refused(
    pages: Pages,
) -> None:
    earlier = csrf_token(await pages.sign_in("alice"), KEY)
    session = await pages.sign_in("alice")

    answer = await pages.submit("/sign-out", {"csrf": earlier}, session=session)

    assert answer.status == 403


async def test_a_proof_made_with_another_key_is_refused(pages: Pages) -> None:
    session = await pages.sign_in()
    form = {"csrf": csrf_token(session, b"x" * 32)}

    answer = await pages.submit("/sign-out", form, session=session)

    assert answer.status == 403


async def test_a_refused_sign_out_ends_nothing(pages: Pages) -> None:
    session = await pages.sign_in()

    await pages.submit("/sign-out", {}, session=session, Origin="https://evil.example")

    assert await pages.visitors.find(session) is not None


async def test_a_refused_choice_opens_no_checkout(pages: Pages) -> None:
    session = await pages.sign_in()
    form = await whole_form(pages, session)

    await pages.submit("/checkout", form, session=session, Origin="https://evil.example")

    assert await pages.shop.find_abandoned("1") is None


@pytest.mark.parametrize("path", POSTS)
async def test_a_form_of_nobody_leads_to_the_sign_in(pages: Pages, path: str) -> None:
    answer = await pages.post(path, {"csrf": "x"})

    assert (answer.status, answer.location) == (303, "/sign-in")


async def test_a_form_of_nobody_keeps_its_target(pages: Pages) -> None:
    to = pages.sign()

    answer = await pages.post("/checkout", {"plan": "reader", "to": to})

    assert (answer.status, answer.location) == (303, f"/sign-in?to={to}")


@pytest.mark.parametrize("path", ["/checkout", "/account"])
async def test_the_forms_of_a_page_carry_the_session_s_proof(pages: Pages, path: str) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"{path}?to={pages.sign()}", session=session)

    assert set(answer.fields("csrf")) == {csrf_token(session, KEY)}
