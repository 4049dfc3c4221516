"""The account: what is paid for, changing it, and signing out."""

import pytest

from policies.model import SubscriptionStatus as Status
from tests.support.pages import NOTES, PLANS, Answer, Pages

CHANGES = ["/account/cancel", "/account/end", "/account/resume"]


async def status_of(pages: Pages, session: str) -> Status:
    """Return how the visitor's newest subscription stands."""
    return (await pages.shop.subscriptions(await pages.client_of(session)))[0].status


async def test_the_account_is_the_visitor_s_own(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.get("/account", session=session)

    assert (answer.status, answer.title) == (200, "alice")


async def test_the_account_is_shown_to_visitors_alone(pages: Pages) -> None:
    answer = await pages.get("/account")

    assert (answer.status, answer.location) == (303, "/sign-in")


async def test_the_demo_s_account_shows_a_token_of_the_visitor(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.get("/account", session=session)

    assert "Bearer token-of-demo:alice" in answer.body
    assert "http://sandbox.example" in answer.links


async def test_an_account_without_subscriptions_says_so(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.get("/account", session=session)

    assert "None yet." in answer.body


async def test_what_was_bought_for_good_is_shown_as_the_visitor_s(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.shop.bought[await pages.client_of(session)] = ("Lifetime",)

    answer = await pages.get("/account", session=session)

    assert "Bought for good" in answer.body
    assert "<li>Lifetime</li>" in answer.body


async def test_subscriptions_are_listed_the_newest_first(pages: Pages) -> None:
    session = await pages.sign_in()
    client_id = await pages.client_of(session)
    for plan in PLANS:
        pages.shop.subscribe(client_id, plan)

    answer = await pages.get("/account", session=session)

    places = [answer.body.index(f"<h3>{plan.name}</h3>") for plan in reversed(PLANS)]
    assert places == sorted(places)


async def test_a_stranger_s_subscriptions_are_not_listed(pages: Pages) -> None:
    pages.shop.subscribe(await pages.client_of(await pages.sign_in()), PLANS[0])
    stranger = await pages.sign_in("mallory")

    answer = await pages.get("/account", session=stranger)

    assert "<h3>" not in answer.body


@pytest.mark.parametrize(
    ("status", "said", "button"),
    [
        (Status.PENDING, "Waiting for the first payment", ""),
        (Status.TRIALING, "On trial", "cancel"),
        (Status.ACTIVE, "Paid", "cancel"),
        (Status.PAST_DUE, "The last payment failed; stays open until 31", "cancel"),
        (Status.UNPAID, "Unpaid", ""),
        (Status.PAUSED, "Paused", ""),
        (Status.CANCELING, "Cancelled; stays open until 31", "resume"),
        (Status.ENDED, "Ended", ""),
    ],
)
async def test_each_state_is_said_and_has_its_button(
    pages: Pages, status: Status, said: str, button: str
) -> None:
    session = await pages.sign_in()
    pages.shop.subscribe(await pages.client_of(session), PLANS[0], status)

    answer = await pages.get("/account", session=session)

    assert f"<p>{said}" in answer.body
    buttons = [what for what in ("cancel", "resume") if f'data-testid="{what}-' in answer.body]
    assert buttons == ([button] if button else [])


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.CANCELING])
async def test_what_was_refunded_can_be_ended_and_nothing_else(
    pages: Pages, status: Status
) -> None:
    session = await pages.sign_in()
    pages.shop.subscribe(await pages.client_of(session), PLANS[0], status, is_open=False)

    answer = await pages.get("/account", session=session)

    assert "<p>Opens nothing now" in answer.body
    buttons = [w for w in ("cancel", "resume", "end") if f'data-testid="{w}-' in answer.body]
    assert buttons == ["end"]


async def test_the_end_of_a_subscription_is_spelt_as_a_date(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.shop.subscribe(await pages.client_of(session), PLANS[0], Status.CANCELING)

    answer = await pages.get("/account", session=session)

    assert "Cancelled; stays open until 31 December 2026, 12:00 UTC." in answer.body


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("/account/cancel", Status.ACTIVE, Status.CANCELING),
        ("/account/end", Status.ACTIVE, Status.ENDED),
        ("/account/resume", Status.CANCELING, Status.ACTIVE),
    ],
)
async def test_a_visitor_changes_their_own_subscription(
    pages: Pages, path: str, before: Status, after: Status
) -> None:
    session = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[0], before)

    answer = await pages.submit(path, {"subscription": held.id}, session=session)

    assert (answer.status, answer.location) == (303, "/account")
    assert await status_of(pages, session) is after


@pytest.mark.parametrize("path", CHANGES)
async def test_a_stranger_s_subscription_is_not_found(pages: Pages, path: str) -> None:
    owner = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(owner), PLANS[0], Status.PAST_DUE)
    stranger = await pages.sign_in("mallory")

    answer = await pages.submit(path, {"subscription": held.id}, session=stranger)

    assert answer.status == 404
    assert await status_of(pages, owner) is Status.PAST_DUE


@pytest.mark.parametrize("form", [{}, {"subscription": ""}, {"subscription": "unknown"}], ids=str)
@pytest.mark.parametrize("path", CHANGES)
async def test_an_unknown_subscription_is_not_found(
    pages: Pages, path: str, form: dict[str, str]
) -> None:
    session = await pages.sign_in()

    answer = await pages.submit(path, form, session=session)

    assert answer.status == 404


@pytest.mark.parametrize("path", CHANGES)
async def test_a_change_that_the_provider_refuses_is_a_conflict(pages: Pages, path: str) -> None:
    session = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[0], Status.ENDED)

    answer = await pages.submit(path, {"subscription": held.id}, session=session)

    assert (answer.status, answer.title) == (409, "That was not possible")
    assert answer.links[0] == "/account"


async def test_signing_out_ends_the_session(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.submit("/sign-out", {}, session=session)

    assert (answer.status, answer.location) == (303, "/")
    assert await pages.visitors.find(session) is None


async def test_signing_out_ends_what_was_carried_to_the_apps(pages: Pages) -> None:
    session = await pages.sign_in()
    entered = await pages.enter(await pages.issue_ticket(session))
    carried = entered.cookie("tollway_session").value

    await pages.submit("/sign-out", {}, session=session)

    assert pages.visitors.find_on(carried, NOTES) is None


async def test_signing_out_leaves_other_sessions_of_the_visitor(pages: Pages) -> None:
    session, elsewhere = await pages.sign_in(), await pages.sign_in()

    await pages.submit("/sign-out", {}, session=session)

    assert await pages.visitors.find(elsewhere) is not None


async def test_signing_out_deletes_the_cookie(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.submit("/sign-out", {}, session=session)

    cookie = answer.cookie("tollway_session")
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", "0", "/")


@pytest.mark.parametrize("name", ["alice", ""])
async def test_the_front_page_lists_the_apps_to_everybody(pages: Pages, name: str) -> None:
    session = await pages.sign_in(name) if name else ""

    answer = await pages.get("/", session=session)

    assert answer.status == 200
    assert {"http://notes.example", "http://api.example"} <= set(answer.links)


@pytest.mark.parametrize(("name", "link"), [("alice", "/account"), ("", "/sign-in")])
async def test_the_front_page_knows_who_is_signed_in(pages: Pages, name: str, link: str) -> None:
    session = await pages.sign_in(name) if name else ""

    answer = await pages.get("/", session=session)

    assert answer.links[0] == link


@pytest.mark.parametrize("status", list(Status))
async def test_what_is_ill_can_be_mended(pages: Pages, status: Status) -> None:
    session = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[0], status)

    answer = await pages.get("/account", session=session)

    is_ill = status in {Status.PAST_DUE, Status.UNPAID, Status.PAUSED}
    assert (f'data-testid="mend-{held.id}"' in answer.body) is is_ill


async def test_mending_leads_to_the_provider_s_page(pages: Pages) -> None:
    session = await pages.sign_in()
    client_id = await pages.client_of(session)
    pages.shop.subscribe(client_id, PLANS[0], Status.PAST_DUE)

    answer = await pages.submit("/account/mend", {}, session=session)

    assert (answer.status, answer.location) == (303, f"https://pay.example/portal/{client_id}")


async def test_who_never_paid_has_nothing_to_mend(pages: Pages) -> None:
    answer = await pages.submit("/account/mend", {}, session=await pages.sign_in())

    assert answer.status == 404


async def test_mending_needs_a_form_of_ours(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.shop.subscribe(await pages.client_of(session), PLANS[0], Status.PAST_DUE)

    answer = await pages.post("/account/mend", {}, session=session)

    assert answer.status == 403


async def change(pages: Pages, session: str, held_id: str, quantity: str = "1") -> Answer:
    form = {"subscription": held_id, "plan": "writer", "quantity": quantity}
    return await pages.submit("/account/change", form, session=session)


async def test_a_subscription_is_changed_into_another_plan(pages: Pages) -> None:
    session = await pages.sign_in()
    client_id = await pages.client_of(session)
    held = pages.shop.subscribe(client_id, PLANS[0])

    answer = await change(pages, session, held.id)

    assert (answer.status, answer.location) == (303, "/account")
    assert (await pages.shop.subscriptions(client_id))[0].plan_ids == ("writer",)


async def test_a_difference_that_is_not_paid_says_where_to_pay_it(pages: Pages) -> None:
    session = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[0])
    pages.shop.is_declining = True

    answer = await change(pages, session, held.id)

    assert (answer.status, answer.title) == (402, "The difference is not paid yet")
    assert "https://pay.example/invoice" in answer.links


async def test_a_declined_card_without_a_page_to_pay_on_leads_to_another_card(
    pages: Pages,
) -> None:
    session = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[0])
    pages.shop.is_declining, pages.shop.invoice_url = True, None
    told = await change(pages, session, held.id)

    answer = await pages.submit("/account/mend", {}, session=session)

    assert (told.status, told.title) == (402, "The difference is not paid yet")
    assert 'action="/account/mend"' in told.body
    assert answer.location.startswith("https://pay.example/portal/")


@pytest.mark.parametrize("quantity", ["0", "2", "-1", "many", "1e3", "9" * 5000])
async def test_a_number_that_is_not_sold_changes_nothing(pages: Pages, quantity: str) -> None:
    session = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[0])

    answer = await change(pages, session, held.id, quantity)

    assert (answer.status, answer.title) == (409, "That was not possible")


async def test_a_stranger_s_subscription_is_not_changed(pages: Pages) -> None:
    held = pages.shop.subscribe(await pages.client_of(await pages.sign_in()), PLANS[0])

    answer = await change(pages, await pages.sign_in("mallory"), held.id)

    assert answer.status == 404
