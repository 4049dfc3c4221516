"""Choosing a plan, and being sent to the provider's page."""

import re

import pytest
from pytest_aiohttp import AiohttpClient

from policies.model import SubscriptionStatus as Status
from tests.support.clock import FakeClock
from tests.support.pages import PLANS, Pages, serve_pages
from tests.support.plans import make_plan


def offered(body: str) -> list[str]:
    """Return the ids of the plans that the page lets the visitor choose."""
    return re.findall(r'data-testid="choose-([^"]*)"', body)


@pytest.mark.parametrize(
    ("app_id", "feature", "plans"),
    [
        ("notes", "access", ["reader", "writer"]),
        ("api", "access", ["writer", "coder"]),
        ("notes", "export", []),
        ("unknown", "access", []),
    ],
)
async def test_exactly_the_plans_that_unlock_the_feature_are_offered(
    pages: Pages, app_id: str, feature: str, plans: list[str]
) -> None:
    session = await pages.sign_in()
    to = pages.sign(app_id=app_id, feature=feature)

    answer = await pages.get(f"/checkout?to={to}", session=session)

    assert (answer.status, offered(answer.body)) == (200, plans)


async def test_a_plan_is_shown_with_its_price_and_its_apps(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"/checkout?to={pages.sign()}", session=session)

    assert '<p class="price">5\N{NO-BREAK SPACE}€ a month</p>' in answer.body
    assert "<li>Items</li>" in answer.body


async def test_the_page_says_when_nothing_on_sale_opens_the_app(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"/checkout?to={pages.sign(feature='export')}", session=session)

    assert "No plan on sale opens this part of Notes." in answer.body


async def test_the_plans_are_shown_to_visitors_alone(pages: Pages) -> None:
    to = pages.sign()

    answer = await pages.get(f"/checkout?to={to}")

    assert (answer.status, answer.location) == (303, f"/sign-in?to={to}")


@pytest.mark.parametrize(("asked", "is_told"), [("somebody-else", True), ("", False)])
async def test_a_visitor_is_told_that_another_client_asked(
    pages: Pages, asked: str, *, is_told: bool
) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"/checkout?to={pages.sign(client_id=asked)}", session=session)

    assert ("who is not the client that asked" in answer.body) is is_told


async def test_the_client_that_asked_is_told_nothing(pages: Pages) -> None:
    session = await pages.sign_in()
    to = pages.sign(client_id=await pages.client_of(session))

    answer = await pages.get(f"/checkout?to={to}", session=session)

    assert "who is not the client that asked" not in answer.body


async def test_a_visitor_is_told_their_name_as_they_gave_it(pages: Pages) -> None:
    session = await pages.sign_in("alice")

    answer = await pages.get(f"/checkout?to={pages.sign(client_id='other')}", session=session)

    assert "<strong>alice</strong>" in answer.body


async def test_a_choice_leads_to_the_provider(pages: Pages) -> None:
    session = await pages.sign_in()
    form = {"plan": "reader", "to": pages.sign()}

    answer = await pages.submit("/checkout", form, session=session)

    assert (answer.status, answer.location) == (303, "https://pay.example/cs_1")


async def test_a_choice_keeps_the_page_first_asked_for(pages: Pages) -> None:
    session = await pages.sign_in()

    await pages.submit("/checkout", {"plan": "reader", "to": pages.sign()}, session=session)

    begun = await pages.shop.find_abandoned("1")
    assert begun is not None
    assert (begun.host, begun.target) == ("notes.example", "/page?x=1")


async def test_choosing_twice_leads_to_the_same_checkout(pages: Pages) -> None:
    session = await pages.sign_in()
    form = {"plan": "reader", "to": pages.sign()}
    first = await pages.submit("/checkout", form, session=session)

    second = await pages.submit("/checkout", form, session=session)

    assert second.location == first.location


async def test_a_plan_that_is_held_is_not_sold_again(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.shop.subscribe(await pages.client_of(session), PLANS[0])

    answer = await pages.submit(
        "/checkout", {"plan": "reader", "to": pages.sign()}, session=session
    )

    assert (answer.status, answer.title) == (200, "You have this plan already")
    assert answer.links[:2] == ["http://notes.example/page?x=1", "/account"]


@pytest.mark.parametrize("plan", ["", "unknown", "coder", "READER", "reader ", "<script>"])
async def test_a_plan_that_is_not_offered_is_not_sold(pages: Pages, plan: str) -> None:
    session = await pages.sign_in()

    answer = await pages.submit("/checkout", {"plan": plan, "to": pages.sign()}, session=session)

    assert (answer.status, answer.title) == (400, "Please choose again")
    assert await pages.shop.find_abandoned("1") is None


async def test_a_plan_that_is_no_longer_for_sale_is_not_sold(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.shop.withdrawn.add("reader")

    answer = await pages.submit(
        "/checkout", {"plan": "reader", "to": pages.sign()}, session=session
    )

    assert answer.status == 400
    assert "This plan is no longer for sale." in answer.body


async def test_a_provider_that_refuses_is_told_as_such(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.shop.is_refusing = True

    answer = await pages.submit(
        "/checkout", {"plan": "reader", "to": pages.sign()}, session=session
    )

    assert (answer.status, answer.title) == (502, "The payment provider said no")


async def test_a_shop_without_plans_offers_none(
    aiohttp_client: AiohttpClient, clock: FakeClock
) -> None:
    pages = await serve_pages(aiohttp_client, clock, plans=())
    session = await pages.sign_in()

    answer = await pages.get(f"/checkout?to={pages.sign()}", session=session)

    assert (answer.status, offered(answer.body)) == (200, [])


@pytest.mark.parametrize(
    ("status", "title", "action"),
    [
        (Status.PAST_DUE, "Your payment needs you", "/account/mend"),
        (Status.UNPAID, "Your payment needs you", "/account/mend"),
        (Status.PAUSED, "Your payment needs you", "/account/mend"),
        (Status.CANCELING, "You have this plan until its period ends", "/account/resume"),
    ],
)
async def test_a_plan_that_is_ill_leads_to_its_remedy(
    pages: Pages, status: Status, title: str, action: str
) -> None:
    session = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[0], status)

    answer = await pages.submit(
        "/checkout", {"plan": "reader", "to": pages.sign()}, session=session
    )

    assert (answer.status, answer.title) == (200, title)
    assert f'action="{action}"' in answer.body
    assert answer.fields("subscription") == [held.id]


async def test_a_plan_whose_money_went_back_is_ended_to_be_bought_anew(pages: Pages) -> None:
    session = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[0], is_open=False)
    form = {"plan": "reader", "to": pages.sign()}
    told = await pages.submit("/checkout", form, session=session)

    await pages.submit("/account/end", {"subscription": held.id}, session=session)

    assert (told.status, told.title) == (200, "Your payment went back to you")
    assert 'action="/account/end"' in told.body
    assert told.fields("subscription") == [held.id]
    bought = await pages.submit("/checkout", form, session=session)
    assert (bought.status, bought.location) == (303, "https://pay.example/cs_1")


async def test_a_wider_plan_is_offered_as_a_change_that_works(pages: Pages) -> None:
    session = await pages.sign_in()
    client_id = await pages.client_of(session)
    pages.shop.subscribe(client_id, PLANS[0])
    answer = await pages.submit(
        "/checkout", {"plan": "writer", "to": pages.sign()}, session=session
    )
    names = ("csrf", "subscription", "plan", "quantity")

    changed = await pages.post(
        "/account/change", {name: answer.fields(name)[0] for name in names}, session=session
    )

    assert answer.title == "Change to Writer"
    assert changed.location == "/account"
    assert (await pages.shop.subscriptions(client_id))[0].plan_ids == ("writer",)


async def test_a_number_is_asked_for_only_where_several_are_sold(
    aiohttp_client: AiohttpClient, clock: FakeClock
) -> None:
    plans = (make_plan("reader"), make_plan("team", apps=("notes", "api"), max_quantity=5))
    pages = await serve_pages(aiohttp_client, clock, plans=plans)
    session = await pages.sign_in()

    answer = await pages.get(f"/checkout?to={pages.sign()}", session=session)

    assert re.findall(r'id="quantity-([a-z]*)"', answer.body) == ["team"]
    assert 'max="5"' in answer.body


@pytest.mark.parametrize("quantity", ["0", "2", "-1", "two"])
async def test_a_number_that_is_not_sold_is_refused(pages: Pages, quantity: str) -> None:
    session = await pages.sign_in()
    form = {"plan": "reader", "to": pages.sign(), "quantity": quantity}

    answer = await pages.submit("/checkout", form, session=session)

    assert (answer.status, answer.title) == (400, "Please choose again")
