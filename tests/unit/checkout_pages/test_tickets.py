"""A ticket carries a session to an app's host: once, within a minute, in one browser."""

import pytest

from policies.return_url import fingerprint
from tests.support.pages import FLOW, NOTES, PUBLIC, Pages

USED = (400, "This link was used already")


async def test_a_ticket_leads_to_the_page_first_asked_for(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in(), target="/page?x=1")

    answer = await pages.enter(ticket)

    assert (answer.status, answer.location) == (303, "http://notes.example/page?x=1")


async def test_a_ticket_gives_a_session_of_the_app_s_host(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())

    answer = await pages.enter(ticket)

    visitor = pages.visitors.find_on(answer.cookie("tollway_session").value, NOTES)
    assert visitor is not None
    assert visitor.name == "demo:alice"


async def test_the_session_of_an_app_s_host_is_none_on_the_gateway_s(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())
    carried = (await pages.enter(ticket)).cookie("tollway_session").value

    answer = await pages.get("/account", session=carried)

    assert (answer.status, answer.location) == (303, "/sign-in")


async def test_a_ticket_works_once(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())
    await pages.enter(ticket)

    answer = await pages.enter(ticket)

    assert (answer.status, answer.title) == USED
    assert "Set-Cookie" not in answer.headers


async def test_a_ticket_is_of_no_use_on_another_app_s_host(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())

    answer = await pages.enter(ticket, host="api.example")

    assert (answer.status, answer.title) == USED


async def test_a_ticket_is_of_no_use_in_another_browser(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())

    answer = await pages.enter(ticket, flow="flow-of-the-victim")

    assert (answer.status, answer.title) == USED
    assert "Set-Cookie" not in answer.headers


async def test_another_browser_does_not_use_a_ticket_up(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())
    await pages.enter(ticket, flow="flow-of-the-victim")

    answer = await pages.enter(ticket)

    assert answer.status == 303


async def test_a_browser_without_the_flow_cookie_is_told_to_keep_cookies(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())

    answer = await pages.get(f"/.tollway/enter?ticket={ticket}", host=NOTES)

    assert (answer.status, answer.title) == (400, "Cookies are needed")


async def test_the_flow_cookie_is_found_among_its_twins(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())
    cookies = f"tollway_flow=planted; tollway_flow={FLOW}"

    answer = await pages.enter(ticket, Cookie=cookies)

    assert answer.status == 303


@pytest.mark.parametrize(("age_s", "status"), [(59.9, 303), (60, 400), (3600, 400)])
async def test_a_ticket_is_good_for_a_minute(pages: Pages, age_s: float, status: int) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())
    pages.clock.move(seconds=age_s)

    answer = await pages.enter(ticket)

    assert answer.status == status


async def test_a_ticket_of_a_session_that_was_ended_is_of_no_use(pages: Pages) -> None:
    session = await pages.sign_in()
    ticket = await pages.issue_ticket(session)
    await pages.visitors.sign_out(session)

    answer = await pages.enter(ticket)

    assert (answer.status, answer.title) == USED


@pytest.mark.parametrize("query", ["", "?ticket=", "?ticket=x", "?ticket=%00", "?ticket=%ff"])
async def test_what_is_no_ticket_opens_nothing(pages: Pages, query: str) -> None:
    answer = await pages.get(f"/.tollway/enter{query}", host=NOTES, Cookie=f"tollway_flow={FLOW}")

    assert (answer.status, answer.title) == USED


async def test_a_ticket_of_the_sign_in_opens_the_app_for_that_browser(pages: Pages) -> None:
    from_gate = pages.sign(browser=fingerprint(FLOW))
    signed_in = await pages.post("/sign-in", {"name": "alice", "to": from_gate})

    answer = await pages.enter(signed_in.location.partition("ticket=")[2])

    assert (answer.status, answer.location) == (303, "http://notes.example/page?x=1")


@pytest.mark.parametrize("host", [PUBLIC, "evil.example"])
async def test_tickets_are_taken_on_the_apps_hosts_alone(pages: Pages, host: str) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())

    answer = await pages.enter(ticket, host=host)

    assert answer.status == 404
