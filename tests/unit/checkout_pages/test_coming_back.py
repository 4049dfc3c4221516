"""Coming back from the provider: nothing in the URL is believed."""

from urllib.parse import parse_qs, urlsplit

import pytest

from billing.model import CheckoutState
from tests.support.pages import Pages

STRANGER = (403, "This payment belongs to somebody else")


async def test_who_paid_goes_on_to_the_page_first_asked_for(pages: Pages) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    pages.shop.settle(bought, CheckoutState.PAID)

    answer = await pages.get(f"/checkout/return?session_id={bought}", session=session)

    assert (answer.status, answer.location) == (303, "http://notes.example/page?x=1")


async def test_coming_back_twice_leads_to_the_same_page(pages: Pages) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    pages.shop.settle(bought, CheckoutState.PAID)
    first = await pages.get(f"/checkout/return?session_id={bought}", session=session)

    second = await pages.get(f"/checkout/return?session_id={bought}", session=session)

    assert (second.status, second.location) == (303, first.location)


@pytest.mark.parametrize("state", [CheckoutState.OPEN, CheckoutState.EXPIRED])
async def test_who_did_not_pay_may_choose_again(pages: Pages, state: CheckoutState) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    pages.shop.settle(bought, state)

    answer = await pages.get(f"/checkout/return?session_id={bought}", session=session)

    assert (answer.status, answer.title) == (200, "Nothing was charged")
    assert answer.links[0] == "http://notes.example/page?x=1"


async def test_a_payment_that_failed_is_told_as_such(pages: Pages) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    pages.shop.settle(bought, CheckoutState.FAILED)

    answer = await pages.get(f"/checkout/return?session_id={bought}", session=session)

    assert (answer.status, answer.title) == (200, "Your payment failed")
    assert answer.links[0] == "http://notes.example/page?x=1"


async def test_what_the_url_says_of_payment_is_not_believed(pages: Pages) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    path = f"/checkout/return?session_id={bought}&state=paid&payment_status=paid"

    answer = await pages.get(path, session=session)

    assert (answer.status, answer.title) == (200, "Nothing was charged")


async def test_a_payment_on_its_way_is_looked_at_again(pages: Pages) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    pages.shop.settle(bought, CheckoutState.SETTLING)

    answer = await pages.get(f"/checkout/return?session_id={bought}", session=session)

    assert (answer.status, answer.title) == (200, "Your payment is on its way")
    assert answer.headers["Refresh"] == f"2; url=/checkout/return?session_id={bought}&n=1"


@pytest.mark.parametrize(
    ("count", "following"),
    [
        ("0", "1"),
        ("1", "2"),
        ("29", "30"),
        ("30", None),
        ("31", None),
        ("999", None),
        ("1000", "1"),
        ("-1", "1"),
        ("x", "1"),
        ("", "1"),
        ("1e9", "1"),
        ("%C2%B2", "1"),
        ("%D9%A3", "4"),
    ],
)
async def test_a_page_looks_thirty_times_by_itself(
    pages: Pages, count: str, following: str | None
) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    pages.shop.settle(bought, CheckoutState.SETTLING)

    answer = await pages.get(f"/checkout/return?session_id={bought}&n={count}", session=session)

    refresh = answer.headers.get("Refresh", "")
    assert parse_qs(urlsplit(refresh.partition("url=")[2]).query).get("n", [None]) == [following]


async def test_after_the_last_look_the_visitor_may_look_by_hand(pages: Pages) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    pages.shop.settle(bought, CheckoutState.SETTLING)

    answer = await pages.get(f"/checkout/return?session_id={bought}&n=30", session=session)

    assert answer.links[0] == f"/checkout/return?session_id={bought}&n=31"


@pytest.mark.parametrize("query", ["", "?session_id=", "?session_id=cs_9", "?session_id=%ff"])
async def test_a_payment_that_is_not_ours_is_not_found(pages: Pages, query: str) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"/checkout/return{query}", session=session)

    assert (answer.status, answer.title) == (404, "Not found")


@pytest.mark.parametrize("state", list(CheckoutState))
async def test_a_payment_is_not_shown_to_a_stranger(pages: Pages, state: CheckoutState) -> None:
    bought = await pages.begin(await pages.sign_in())
    pages.shop.settle(bought, state)
    stranger = await pages.sign_in("mallory")

    answer = await pages.get(f"/checkout/return?session_id={bought}", session=stranger)

    assert (answer.status, answer.title) == STRANGER
    assert "notes.example/page" not in answer.body


async def test_who_comes_back_signed_out_signs_in_first(pages: Pages) -> None:
    bought = await pages.begin(await pages.sign_in())

    answer = await pages.get(f"/checkout/return?session_id={bought}")

    assert (answer.status, answer.location) == (303, "/sign-in")


async def test_who_left_the_provider_s_page_may_choose_again(pages: Pages) -> None:
    session = await pages.sign_in()
    await pages.begin(session)

    answer = await pages.get("/checkout/cancelled?checkout=1", session=session)

    assert (answer.status, answer.title) == (200, "Nothing was charged")
    assert answer.links[:2] == ["http://notes.example/page?x=1", "/"]


async def test_a_checkout_that_was_left_is_not_shown_to_a_stranger(pages: Pages) -> None:
    await pages.begin(await pages.sign_in())
    stranger = await pages.sign_in("mallory")

    answer = await pages.get("/checkout/cancelled?checkout=1", session=stranger)

    assert (answer.status, answer.title) == STRANGER


@pytest.mark.parametrize("query", ["", "?checkout=", "?checkout=9", "?checkout=%00"])
async def test_an_unknown_checkout_that_was_left_leads_to_the_apps(
    pages: Pages, query: str
) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"/checkout/cancelled{query}", session=session)

    assert (answer.status, answer.title) == (200, "Nothing was charged")
    assert answer.links == ["/", "http://tollway.example/"]


async def test_who_left_and_is_signed_out_learns_nothing_of_the_checkout(pages: Pages) -> None:
    await pages.begin(await pages.sign_in())

    answer = await pages.get("/checkout/cancelled?checkout=1")

    assert (answer.status, answer.title) == (200, "Nothing was charged")
    assert answer.links == ["/", "http://tollway.example/"]


async def test_leaving_after_paying_takes_nothing_back(pages: Pages) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session)
    pages.shop.settle(bought, CheckoutState.PAID)

    await pages.get("/checkout/cancelled?checkout=1", session=session)

    assert len(await pages.shop.subscriptions(await pages.client_of(session))) == 1
