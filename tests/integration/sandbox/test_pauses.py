"""Both kinds of pause: collection that stands still, and a subscription that does."""

import pytest
import stripe

from tests.support.stripe_account import DAY_S, START_S, Account


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")],
)
async def test_pausing_collection_leaves_the_status_and_takes_no_money(
    account: Account, behavior: str, status: str
) -> None:
    subscription = await account.subscribe()
    await account.post(
        f"subscriptions/{subscription['id']}", pause_collection={"behavior": behavior}
    )

    await account.advance(31)

    found = await account.read(subscription)
    assert (found["status"], found["pause_collection"]) == (
        "active",
        {"behavior": behavior, "resumes_at": None},
    )
    assert (await account.invoices(subscription))[-1]["status"] == status
    assert len(await account.all("charges")) == 1


async def test_collection_goes_on_once_the_pause_is_unset(account: Account) -> None:
    subscription = await account.subscribe()
    path = f"subscriptions/{subscription['id']}"
    await account.post(path, pause_collection={"behavior": "void"})

    unset = await account.post(path, pause_collection="")
    await account.advance(31)

    assert unset["pause_collection"] is None
    assert (await account.invoices(subscription))[-1]["status"] == "paid"


async def test_collection_goes_on_by_itself_when_it_was_to(account: Account) -> None:
    subscription = await account.subscribe()
    resumes_s = START_S + 40 * DAY_S
    await account.post(
        f"subscriptions/{subscription['id']}",
        pause_collection={"behavior": "void", "resumes_at": resumes_s},
    )

    await account.advance(60)

    invoices = await account.invoices(subscription)
    assert [invoice["status"] for invoice in invoices] == ["paid", "void", "paid"]
    updated = await account.events("customer.subscription.updated")
    moments = [
        event["created"]
        for event in updated
        if event["data"]["previous_attributes"].get("pause_collection")
    ]
    assert moments == [resumes_s]


async def test_paused_subscription_makes_no_invoices(account: Account) -> None:
    subscription = await account.subscribe()

    paused = await account.post(f"subscriptions/{subscription['id']}/pause")
    await account.advance(100)

    assert paused["status"] == "paused"
    assert paused["items"] == (await account.read(subscription))["items"]
    assert len(await account.invoices(subscription)) == 1
    assert len(await account.events("customer.subscription.paused")) == 1


async def test_resumed_subscription_begins_a_period_and_pays_for_it(account: Account) -> None:
    subscription = await account.subscribe()
    await account.post(f"subscriptions/{subscription['id']}/pause")
    await account.advance(100)

    resumed = await account.post(f"subscriptions/{subscription['id']}/resume")

    item = resumed["items"]["data"][0]
    assert resumed["status"] == "active"
    assert item["current_period_start"] == resumed["billing_cycle_anchor"] == account.now_s()
    # The unused month comes off the first invoice.
    assert [i["total"] for i in await account.invoices(subscription)] == [1000, 0]
    assert len(await account.events("customer.subscription.resumed")) == 1


async def test_pause_without_a_credit_costs_the_whole_new_period(account: Account) -> None:
    subscription = await account.subscribe()
    path = f"subscriptions/{subscription['id']}"
    await account.post(f"{path}/pause", bill_for={"unused_time_from": {"type": "none"}})

    await account.post(f"{path}/resume")

    assert [i["total"] for i in await account.invoices(subscription)] == [1000, 1000]


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("resume_on_payment_attempt", "past_due"), ("resume_on_payment_success", "paused")],
)
async def test_declined_resumption_leaves_what_was_chosen(
    account: Account, behavior: str, status: str
) -> None:
    subscription = await account.subscribe()
    path = f"subscriptions/{subscription['id']}"
    await account.post(f"{path}/pause", bill_for={"unused_time_from": {"type": "none"}})
    await account.use_card(subscription["customer"], "pm_card_chargeCustomerFail")

    resumed = await account.post(f"{path}/resume", payment_behavior=behavior)

    assert resumed["status"] == status


async def test_resumption_waits_for_its_payment(account: Account) -> None:
    subscription = await account.subscribe()
    path = f"subscriptions/{subscription['id']}"
    await account.post(f"{path}/pause", bill_for={"unused_time_from": {"type": "none"}})
    await account.use_card(subscription["customer"], "pm_card_chargeCustomerFail")
    waiting = await account.post(f"{path}/resume", payment_behavior="resume_on_payment_success")
    await account.use_card(subscription["customer"], "pm_card_visa")

    await account.post(f"invoices/{waiting['latest_invoice']}/pay")

    assert (await account.read(subscription))["status"] == "active"


async def test_resumption_that_nobody_pays_is_off_after_23_hours(account: Account) -> None:
    subscription = await account.subscribe()
    path = f"subscriptions/{subscription['id']}"
    await account.post(f"{path}/pause", bill_for={"unused_time_from": {"type": "none"}})
    await account.use_card(subscription["customer"], "pm_card_chargeCustomerFail")
    waiting = await account.post(f"{path}/resume", payment_behavior="resume_on_payment_success")

    await account.advance(1)

    invoice = await account.get(f"invoices/{waiting['latest_invoice']}")
    assert ((await account.read(subscription))["status"], invoice["status"]) == ("paused", "void")


async def test_resuming_by_the_old_anchor_keeps_a_running_period(account: Account) -> None:
    subscription = await account.subscribe()
    path = f"subscriptions/{subscription['id']}"
    await account.post(f"{path}/pause")
    await account.advance(10)

    resumed = await account.post(f"{path}/resume", billing_cycle_anchor={"type": "unchanged"})

    assert resumed["status"] == "active"
    assert resumed["items"] == subscription["items"]
    assert len(await account.invoices(subscription)) == 1


@pytest.mark.parametrize("act", ["pause", "resume"])
async def test_pause_or_resumption_out_of_place_is_refused(account: Account, act: str) -> None:
    subscription = await account.subscribe()
    path = f"subscriptions/{subscription['id']}"
    if act == "pause":
        await account.post(f"{path}/pause")

    with pytest.raises(stripe.InvalidRequestError):
        await account.post(f"{path}/{act}")
