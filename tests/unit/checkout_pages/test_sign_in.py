"""Signing in by name, which only the demo mode offers, and what is made of names."""

from dataclasses import replace

import pytest
from pytest_aiohttp import AiohttpClient

from policies.return_url import fingerprint
from tests.support.clock import FakeClock
from tests.support.pages import FLOW, NOTES, SETTINGS, Pages, serve_pages


@pytest.fixture
async def serious(aiohttp_client: AiohttpClient, clock: FakeClock) -> Pages:
    """The pages outside demo mode."""
    return await serve_pages(aiohttp_client, clock, replace(SETTINGS, demo=None))


async def test_the_demo_asks_for_a_name(pages: Pages) -> None:
    answer = await pages.get("/sign-in")

    assert (answer.status, answer.title) == (200, "Who are you?")


async def test_the_demo_says_that_it_is_one(pages: Pages) -> None:
    answer = await pages.get("/sign-in")

    assert 'data-testid="demo-banner"' in answer.body


async def test_the_app_that_sent_the_visitor_is_named(pages: Pages) -> None:
    answer = await pages.get(f"/sign-in?to={pages.sign()}")

    assert answer.title == "Notes asks who you are"


async def test_the_signed_target_travels_in_the_form(pages: Pages) -> None:
    to = pages.sign()

    answer = await pages.get(f"/sign-in?to={to}")

    assert answer.fields("to") == [to]


async def test_a_name_signs_in_and_leads_to_the_account(pages: Pages) -> None:
    answer = await pages.post("/sign-in", {"name": "Alice"})

    assert (answer.status, answer.location) == (303, "/account")


async def test_the_cookie_of_a_sign_in_is_a_session_of_the_name(pages: Pages) -> None:
    answer = await pages.post("/sign-in", {"name": "Alice"})

    visitor = await pages.visitors.find(answer.cookie("tollway_session").value)
    assert visitor is not None
    assert visitor.name == "demo:alice"


@pytest.mark.parametrize("name", ["Alice", "ALICE", "  alice  ", "\talice\n"])
async def test_spellings_of_one_name_are_one_client(pages: Pages, name: str) -> None:
    known = await pages.client_of(await pages.sign_in("alice"))

    answer = await pages.post("/sign-in", {"name": name})

    assert await pages.client_of(answer.cookie("tollway_session").value) == known


async def test_a_decomposed_letter_is_the_same_name(pages: Pages) -> None:
    known = await pages.client_of(await pages.sign_in("zo\N{LATIN SMALL LETTER E WITH DIAERESIS}"))

    answer = await pages.post("/sign-in", {"name": "Zoe\N{COMBINING DIAERESIS}"})

    assert await pages.client_of(answer.cookie("tollway_session").value) == known


async def test_each_sign_in_is_a_session_of_its_own(pages: Pages) -> None:
    planted = await pages.sign_in("alice")

    answer = await pages.post("/sign-in", {"name": "alice"}, session=planted)

    assert answer.cookie("tollway_session").value != planted


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\t\r\n",
        "x" * 61,
        "a\0b",
        "a\x1bb",
        "a\N{ZERO WIDTH SPACE}b",
        "a\N{RIGHT-TO-LEFT OVERRIDE}b",
        "\N{REPLACEMENT CHARACTER}\ue000",
    ],
)
async def test_what_is_no_name_is_asked_for_again(pages: Pages, name: str) -> None:
    answer = await pages.post("/sign-in", {"name": name})

    assert (answer.status, "Set-Cookie" in answer.headers) == (422, False)
    assert "Please give a name of at most 60 characters." in answer.body


async def test_a_missing_name_is_asked_for_again(pages: Pages) -> None:
    answer = await pages.post("/sign-in", {})

    assert answer.status == 422


async def test_a_name_of_sixty_characters_is_one(pages: Pages) -> None:
    answer = await pages.post("/sign-in", {"name": "x" * 60})

    assert answer.status == 303


async def test_a_wrong_name_keeps_the_target(pages: Pages) -> None:
    to = pages.sign()

    answer = await pages.post("/sign-in", {"name": "", "to": to})

    assert answer.fields("to") == [to]


async def test_a_browser_that_was_sent_away_goes_back_with_a_ticket(pages: Pages) -> None:
    to = pages.sign(browser=fingerprint(FLOW))

    answer = await pages.post("/sign-in", {"name": "alice", "to": to})

    assert answer.status == 303
    assert answer.location.startswith(f"http://{NOTES}/.tollway/enter?ticket=")


async def test_a_program_s_link_leads_on_to_the_plans(pages: Pages) -> None:
    to = pages.sign()

    answer = await pages.post("/sign-in", {"name": "alice", "to": to})

    assert (answer.status, answer.location) == (303, f"/checkout?to={to}")


async def test_who_is_signed_in_is_not_asked_again(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.get("/sign-in", session=session)

    assert (answer.status, answer.location) == (303, "/account")


async def test_who_is_signed_in_goes_back_with_a_ticket_at_once(pages: Pages) -> None:
    session = await pages.sign_in()
    to = pages.sign(browser=fingerprint(FLOW))

    answer = await pages.get(f"/sign-in?to={to}", session=session)

    assert answer.status == 303
    assert answer.location.startswith(f"http://{NOTES}/.tollway/enter?ticket=")


@pytest.mark.parametrize("cookie", ["nonsense", "", "session-999", "a=b"])
async def test_a_cookie_that_is_no_session_is_nobody(pages: Pages, cookie: str) -> None:
    answer = await pages.get("/sign-in", Cookie=f"tollway_session={cookie}")

    assert (answer.status, answer.title) == (200, "Who are you?")


async def test_a_session_ends_by_time(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.clock.move(hours=12)

    answer = await pages.get("/account", session=session)

    assert (answer.status, answer.location) == (303, "/sign-in")


@pytest.mark.parametrize("place", range(4))
async def test_twins_of_the_cookie_do_not_hide_the_session(pages: Pages, place: int) -> None:
    values = ["planted"] * 3
    values.insert(place, await pages.sign_in())
    cookies = "; ".join(f"tollway_session={value}" for value in values)

    answer = await pages.get("/account", Cookie=cookies)

    assert (answer.status, answer.title) == (200, "alice")


async def test_only_four_twins_are_looked_at(pages: Pages) -> None:
    values = [*["planted"] * 4, await pages.sign_in()]
    cookies = "; ".join(f"tollway_session={value}" for value in values)

    answer = await pages.get("/account", Cookie=cookies)

    assert (answer.status, answer.location) == (303, "/sign-in")


@pytest.mark.parametrize("before", ["x_", "\xa0", "\u2000"])
async def test_a_cookie_whose_name_only_ends_like_ours_is_not_ours(
    pages: Pages, before: str
) -> None:
    session = await pages.sign_in()

    answer = await pages.get("/account", Cookie=f"{before}tollway_session={session}")

    assert (answer.status, answer.location) == (303, "/sign-in")


async def test_outside_the_demo_there_is_no_sign_in_by_name(serious: Pages) -> None:
    answer = await serious.get("/sign-in")

    assert (answer.status, answer.title) == (501, "Sign-in is not set up")


async def test_outside_the_demo_nothing_says_demonstration(serious: Pages) -> None:
    answer = await serious.get("/sign-in")

    assert "demo-banner" not in answer.body


async def test_outside_the_demo_a_name_signs_nobody_in(serious: Pages) -> None:
    answer = await serious.post("/sign-in", {"name": "alice"})

    assert (answer.status, "Set-Cookie" in answer.headers) == (404, False)


async def test_outside_the_demo_the_account_shows_no_token(serious: Pages) -> None:
    session = await serious.sign_in()

    answer = await serious.get("/account", session=session)

    assert answer.status == 200
    assert "Bearer" not in answer.body


async def test_signing_in_as_somebody_else_ends_the_session_before(pages: Pages) -> None:
    before = await pages.sign_in("ann")

    answer = await pages.post("/sign-in", {"name": "bea"}, session=before)

    assert answer.status == 303
    assert await pages.visitors.find(before) is None
