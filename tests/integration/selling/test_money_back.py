"""Money that does not come, or goes back, at the stand-in for Stripe."""

import pytest

from tests.support.market import DECLINED_LATER, TRIED, Market
from tests.support.stripe_account import DAY_S, Body

REASON = {"reason": "asked for"}


async def dispute(market: Market) -> Body:
    """Have the latest charge disputed."""
    return await market.stripe.ask(
        "post", "/_sandbox/disputes", charge=await market.latest_charge()
    )


@pytest.mark.parametrize(("plan", "app"), [("reader", "notes"), ("lifetime", "files")])
async def test_a_full_refund_shuts_and_a_partial_one_does_not(
    market: Market, plan: str, app: str
) -> None:
    path = f"/payments/{await market.buy(plan)}/refunds"

    part = await market.ask("POST", path, REASON | {"amount_minor": 200})
    after_part = await market.is_open(app)
    too_much = await market.ask("POST", path, REASON | {"amount_minor": 301})
    rest = await market.ask("POST", path, REASON)

    assert [part.status, too_much.status, rest.status] == [201, 409, 201]
    assert after_part is True
    assert not await market.is_open(app)


@pytest.mark.parametrize("wanted", ["reader", "team"])
@pytest.mark.parametrize("is_leaving", [False, True], ids=["running", "cancelled"])
async def test_who_was_refunded_ends_what_is_shut_and_buys_anew(
    market: Market, wanted: str, *, is_leaving: bool
) -> None:
    paid = await market.buy()
    held = (await market.ask("GET", f"/subscriptions/{market.client_id}")).json["items"][0]["id"]
    if is_leaving:
        await market.ask("DELETE", f"/subscriptions/{held}")
    await market.ask("POST", f"/payments/{paid}/refunds", REASON)

    told = await market.begin(wanted)
    await market.ask("DELETE", f"/subscriptions/{held}?at_period_end=false")
    await market.buy(wanted)

    assert (told.problem, told.json["subscription_id"]) == ("already-held", held)
    assert "end its subscription now" in told.json["detail"]
    assert await market.is_open()


@pytest.mark.parametrize(("plan", "app"), [("reader", "notes"), ("lifetime", "files")])
async def test_a_refund_that_fails_opens_again(market: Market, plan: str, app: str) -> None:
    await market.buy(plan, {"card": "4000 0000 0000 5126"})
    charge = await market.latest_charge()
    await market.stripe.post("refunds", charge=charge)
    await market.deliver()
    refunded = await market.is_open(app)

    await market.pass_days(2)

    assert refunded is False
    assert await market.is_open(app)


@pytest.mark.parametrize(("outcome", "is_open"), [("won", True), ("lost", False)])
@pytest.mark.parametrize(("plan", "app"), [("reader", "notes"), ("lifetime", "files")])
async def test_a_dispute_shuts_and_its_end_decides(
    market: Market,
    plan: str,
    app: str,
    outcome: str,
    is_open: bool,
) -> None:
    await market.buy(plan)
    opened = await dispute(market)
    await market.deliver()
    disputed = await market.is_open(app)

    path = f"/_sandbox/disputes/{opened['id']}/close"
    await market.stripe.ask("post", path, outcome=outcome)
    await market.deliver()

    assert disputed is False
    assert await market.is_open(app) is is_open


async def test_a_fraud_warning_shuts(market: Market) -> None:
    await market.buy(by={"card": "4000 0000 0000 5423"})

    await market.deliver()

    assert not await market.is_open()


async def test_an_inquiry_shuts_nothing(market: Market) -> None:
    await market.buy(by={"card": "4000 0000 0000 1976"})

    await market.deliver()

    assert await market.is_open()


@pytest.mark.parametrize(
    ("plan", "app", "grace_days"), [("reader", "notes", 3), ("seats", "chat", 10)]
)
async def test_a_failed_renewal_opens_for_the_grace_of_its_plan(
    market: Market, plan: str, app: str, grace_days: int
) -> None:
    await market.buy(plan, DECLINED_LATER)
    sub = await market.sub()
    end_s = sub["items"]["data"][0]["current_period_end"]

    await market.pass_days((end_s + grace_days * DAY_S - market.stripe.now_s()) / DAY_S - 0.2)
    within = await market.is_open(app)
    await market.pass_days(0.5)

    assert within is True
    assert not await market.is_open(app)


async def test_a_first_bill_after_a_trial_has_its_grace_and_no_more(market: Market) -> None:
    await market.buy("tried", DECLINED_LATER)

    await market.pass_days(14.5)
    held, within = await market.held(), await market.is_open("feed")
    await market.pass_days(TRIED.grace_days)

    assert (held["status"], within) == ("past_due", True)
    assert not await market.is_open("feed")


async def test_an_unpaid_subscription_is_mended_in_the_portal(market: Market) -> None:
    await market.turn("account", dunning_end="unpaid")
    await market.buy(by=DECLINED_LATER)
    await market.pass_days(50)
    shut, told = await market.is_open(), await market.begin()

    await market.mend()
    await market.stripe.post(f"invoices/{(await market.sub())['latest_invoice']}/pay")
    await market.deliver()

    assert (shut, told.problem) == (False, "already-held")
    assert await market.is_open()


async def test_a_deleted_customer_buys_anew(market: Market) -> None:
    await market.buy()
    customer = (await market.sub())["customer"]
    await market.stripe.delete(f"customers/{customer}")
    await market.deliver()
    shut = await market.is_open()

    await market.buy()

    assert shut is False
    assert await market.is_open()
    assert (await market.sub())["customer"] != customer


async def test_a_customer_deleted_without_an_event_buys_anew(market: Market) -> None:
    await market.buy()
    held = await market.held()
    await market.ask("DELETE", f"/subscriptions/{held['id']}?at_period_end=false")
    await market.stripe.delete(f"customers/{(await market.sub())['customer']}")
    market.lose_events()

    await market.buy()

    assert await market.is_open()
