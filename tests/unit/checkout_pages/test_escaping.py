"""Whatever operators and visitors write is text on a page, never markup (XSS)."""

from dataclasses import replace

import pytest
from pytest_aiohttp import AiohttpClient

from billing.model import CheckoutState, PlanFeature
from tests.support.clock import FakeClock
from tests.support.pages import PLANS, SETTINGS, Pages, serve_pages

EVIL = "<script>alert('x')</script>\"' onload=\"x"
ESCAPED = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&#39; onload=&#34;x"


@pytest.fixture
async def evil(aiohttp_client: AiohttpClient, clock: FakeClock) -> Pages:
    """Pages whose every configured text is markup."""
    features = (PlanFeature("notes", "access", value=True), PlanFeature(EVIL, EVIL, value=EVIL))
    plan = replace(PLANS[0], id=EVIL, name=EVIL, description=EVIL, currency=EVIL, features=features)
    apps = tuple(replace(app, name=EVIL, description=EVIL) for app in SETTINGS.apps)
    settings = replace(SETTINGS, apps=apps)
    return await serve_pages(aiohttp_client, clock, settings, (plan,))


@pytest.mark.parametrize(
    ("page", "times"), [("/", 4), ("/sign-in", 0), ("/account", 3), ("/checkout", 10)]
)
async def test_configured_texts_are_escaped(evil: Pages, page: str, times: int) -> None:
    session = await evil.sign_in()
    evil.shop.subscribe(await evil.client_of(session), evil.shop.plans("notes", "access")[0])
    path = f"{page}?to={evil.sign()}" if page == "/checkout" else page

    answer = await evil.get(path, session=session)

    assert "<script" not in answer.body
    assert answer.body.count(ESCAPED) >= times


async def test_an_app_s_name_is_escaped_where_it_asks_who_somebody_is(evil: Pages) -> None:
    answer = await evil.get(f"/sign-in?to={evil.sign()}")

    assert f"<h1>{ESCAPED} asks who you are</h1>" in answer.body


async def test_an_app_s_name_is_escaped_where_a_link_is_too_old(evil: Pages) -> None:
    answer = await evil.get("/checkout?to=x")

    assert f">{ESCAPED}</a>" in answer.body


async def test_an_app_s_name_is_escaped_where_a_ticket_is_refused(evil: Pages) -> None:
    answer = await evil.enter("x")

    assert f">Open {ESCAPED}</a>" in answer.body


async def test_a_plan_s_name_is_escaped_where_it_is_held_already(evil: Pages) -> None:
    session = await evil.sign_in()
    plan = evil.shop.plans("notes", "access")[0]
    evil.shop.subscribe(await evil.client_of(session), plan)

    answer = await evil.submit("/checkout", {"plan": EVIL, "to": evil.sign()}, session=session)

    assert f"<p>{ESCAPED} is yours; nothing was charged.</p>" in answer.body


async def test_a_visitor_s_name_is_escaped_in_the_account(pages: Pages) -> None:
    session = await pages.sign_in(EVIL)

    answer = await pages.get("/account", session=session)

    assert f"<h1>{ESCAPED}</h1>" in answer.body
    assert "<script" not in answer.body


async def test_a_visitor_s_token_is_escaped_in_the_account(pages: Pages) -> None:
    session = await pages.sign_in(EVIL)

    answer = await pages.get("/account", session=session)

    assert f"Bearer token-of-demo:{ESCAPED}&#34;" not in answer.body
    assert f"Bearer token-of-demo:{ESCAPED}" in answer.body


async def test_a_visitor_s_name_is_escaped_among_the_plans(pages: Pages) -> None:
    session = await pages.sign_in(EVIL)

    answer = await pages.get(f"/checkout?to={pages.sign(client_id='other')}", session=session)

    assert f"{ESCAPED}</strong>" in answer.body
    assert "<script" not in answer.body


async def test_a_request_s_id_is_escaped(pages: Pages) -> None:
    answer = await pages.get("/", X_Request_Id=EVIL)

    assert f"<span>Request {ESCAPED}</span>" in answer.body


@pytest.mark.parametrize("path", ["/checkout/return", "/checkout/cancelled", "/sign-in", "/nope"])
async def test_what_a_url_says_is_not_on_the_page_as_markup(pages: Pages, path: str) -> None:
    session = await pages.sign_in()
    hostile = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    query = f"?to={hostile}&session_id={hostile}&checkout={hostile}&n={hostile}"

    answer = await pages.get(f"{path}{query}", session=session)

    assert "<script" not in answer.body


async def test_the_way_to_try_again_is_not_markup(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.visitors.is_down = True

    answer = await pages.get('/checkout/return?x="><script>', session=session)

    assert answer.status == 503
    assert "<script" not in answer.body


async def test_a_payment_on_its_way_does_not_carry_markup(pages: Pages) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    pages.shop.settle(bought, CheckoutState.SETTLING)

    answer = await pages.get(f'/checkout/return?session_id={bought}&x="><script>', session=session)

    assert answer.status == 200
    assert "<script" not in answer.body
