"""Choosing a plan, and coming back with or without having paid."""

from dataclasses import replace

import pytest

from billing.model import CheckoutState
from tests.support.pages import Pages, csrf_of


async def test_only_plans_that_unlock_the_app_are_shown(pages: Pages) -> None:
    await pages.sign_in()

    answer = await pages.ask(f"/checkout?to={pages.target()}")

    assert answer.status == 200
    assert "choose-reader" in answer.text
    assert "choose-team" not in answer.text


async def test_app_that_no_plan_unlocks_says_so(pages: Pages) -> None:
    await pages.sign_in()
    to = pages.target(feature="gold")

    answer = await pages.ask(f"/checkout?to={to}")

    assert "No plan on sale opens this part" in answer.text


async def test_nobody_signed_in_is_sent_to_sign_in_first(pages: Pages) -> None:
    answer = await pages.ask(f"/checkout?to={pages.target()}")

    assert answer.status == 303
    assert answer.location.startswith("/sign-in?to=")


async def test_visitor_is_told_when_another_client_asked(pages: Pages) -> None:
    ann = await pages.sign_in("demo:ann")

    own = await pages.ask(f"/checkout?to={pages.target(client_id=ann.client_id)}")
    other = await pages.ask(f"/checkout?to={pages.target(client_id='client-of-bea')}")

    assert "not the client that asked" not in own.text
    assert "not the client that asked" in other.text


async def test_choosing_leads_to_the_providers_page(pages: Pages) -> None:
    ann = await pages.sign_in()
    page = await pages.ask(f"/checkout?to={pages.target()}")

    answer = await pages.post(
        "/checkout", {"plan": "reader", "to": pages.target(), "csrf": csrf_of(page.text)}
    )

    (sale,) = pages.shop.sales.values()
    assert (answer.status, answer.location) == (303, "https://pay.example/cs_1")
    assert (sale.client_id, sale.host, sale.target) == (
        ann.client_id,
        "notes.localhost",
        "/page?x=1",
    )


@pytest.mark.parametrize("plan", ["team", "gold", "", "../reader"])
async def test_plan_that_does_not_open_the_app_is_not_sold(pages: Pages, plan: str) -> None:
    await pages.sign_in()

    answer = await pages.post("/checkout", {"plan": plan, "to": pages.target()})

    assert answer.status == 400
    assert pages.shop.sales == {}


FORGERIES: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"csrf": ""}, {}),
    ({"csrf": "0" * 64}, {}),
    ({"csrf": "é"}, {}),
    ({}, {"Origin": "https://evil.example"}),
    ({}, {"Origin": "null"}),
]


@pytest.mark.parametrize(("form", "headers"), FORGERIES)
@pytest.mark.parametrize("path", ["/checkout", "/account/cancel", "/account/resume", "/sign-out"])
async def test_forged_form_changes_nothing(
    pages: Pages, path: str, form: dict[str, str], headers: dict[str, str]
) -> None:
    await pages.sign_in()
    before = dict(pages.visitors.sessions)
    fields = {"plan": "reader", "to": pages.target(), "subscription": "s-1"}

    answer = await pages.post(path, fields | form, **headers)

    assert answer.status == 403
    assert pages.shop.sales == {}
    assert pages.visitors.sessions == before


async def test_token_of_another_session_is_refused(pages: Pages) -> None:
    await pages.sign_in("demo:eve")
    page = await pages.ask(f"/checkout?to={pages.target()}")
    await pages.sign_in("demo:ann")

    answer = await pages.post(
        "/checkout", {"plan": "reader", "to": pages.target(), "csrf": csrf_of(page.text)}
    )

    assert answer.status == 403


async def test_provider_that_is_down_charges_nobody_and_says_so(pages: Pages) -> None:
    await pages.sign_in()
    pages.shop.is_down = True

    answer = await pages.post("/checkout", {"plan": "reader", "to": pages.target()})

    assert (answer.status, answer.fields["Retry-After"]) == (503, "2")


async def test_provider_that_refuses_asks_to_choose_again(pages: Pages) -> None:
    await pages.sign_in()
    pages.shop.refuses = True

    answer = await pages.post("/checkout", {"plan": "reader", "to": pages.target()})

    assert answer.status == 502
    assert answer.location == ""


@pytest.mark.parametrize(
    "path", ["/checkout/return?session_id=cs_1", "/checkout/cancelled?checkout=cs_1"]
)
async def test_stranger_learns_nothing_of_a_payment(pages: Pages, path: str) -> None:
    ann = await pages.sign_in("demo:ann")
    await pages.shop.begin(
        ann.client_id, "reader", return_host="notes.localhost", return_to="/secret"
    )
    await pages.sign_in("demo:eve")

    answer = await pages.ask(path)

    assert answer.status == 403
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        (CheckoutState.PAID, 303, ""),
        (CheckoutState.SETTLING, 200, "on its way"),
        (CheckoutState.OPEN, 200, "Nothing was charged"),
        (CheckoutState.EXPIRED, 200, "Nothing was charged"),
    ],
)
async def test_coming_back_tells_what_the_provider_says(
    pages: Pages, state: CheckoutState, status: int, words: str
) -> None:
    ann = await pages.sign_in()
    await pages.shop.begin(
        ann.client_id, "reader", return_host="notes.localhost", return_to="/p?x=1"
    )
    pages.shop.sales["cs_1"].state = state

    answer = await pages.ask("/checkout/return?session_id=cs_1")

    assert answer.status == status
    assert words in answer.text
    if state is CheckoutState.PAID:
        assert answer.location == "http://notes.localhost:8080/p?x=1"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
async def test_return_never_leads_to_another_site(pages: Pages, target: str) -> None:
    ann = await pages.sign_in()
    await pages.shop.begin(ann.client_id, "reader", return_host="notes.localhost", return_to=target)
    pages.shop.sales["cs_1"].state = CheckoutState.PAID

    answer = await pages.ask("/checkout/return?session_id=cs_1")

    assert answer.location == "http://notes.localhost:8080"


@pytest.mark.parametrize("session_id", ["", "cs_unknown", "{CHECKOUT_SESSION_ID}", "%00"])
async def test_return_with_a_made_up_session_is_not_found(pages: Pages, session_id: str) -> None:
    await pages.sign_in()

    answer = await pages.ask(f"/checkout/return?session_id={session_id}")

    assert answer.status == 404


@pytest.mark.parametrize(
    ("count", "refreshes"), [("", True), ("&n=29", True), ("&n=30", False), ("&n=x", True)]
)
async def test_waiting_page_looks_again_a_bounded_number_of_times(
    pages: Pages, count: str, refreshes: bool
) -> None:
    ann = await pages.sign_in()
    await pages.shop.begin(ann.client_id, "reader", return_host="notes.localhost", return_to="/")
    pages.shop.sales["cs_1"].state = CheckoutState.SETTLING

    answer = await pages.ask(f"/checkout/return?session_id=cs_1{count}")

    assert ("Refresh" in answer.fields) is refreshes


async def test_giving_up_leads_back_to_the_choice(pages: Pages) -> None:
    ann = await pages.sign_in()
    await pages.shop.begin(ann.client_id, "reader", return_host="notes.localhost", return_to="/p")

    answer = await pages.ask("/checkout/cancelled?checkout=cs_1")

    assert answer.status == 200
    assert 'href="http://notes.localhost:8080/p"' in answer.text


EVIL = '<script>alert("x")</script>\'"'


async def test_text_of_a_plan_cannot_become_a_script(pages: Pages) -> None:
    await pages.sign_in()
    pages.shop.for_sale["reader"] = replace(
        pages.shop.for_sale["reader"], name=EVIL, description=EVIL
    )

    answer = await pages.ask(f"/checkout?to={pages.target()}")

    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
