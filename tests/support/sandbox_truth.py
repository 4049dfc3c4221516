"""What holds of the stand-in for Stripe at any time, whatever has happened to it."""

from demo.sandbox.ledger import Ledger
from demo.sandbox.schedule import ENDED
from demo.sandbox.store import Store
from tests.support.stripe_account import Body

_TOLD = ("subscription", "invoice", "charge", "refund", "dispute", "customer")


def check_subscription(ledger: Ledger, subscription: Body, now_s: int) -> None:
    """Check that status, periods, end and latest invoice of a subscription agree."""
    status = subscription["status"]
    latest = ledger.get("invoice", subscription["latest_invoice"])
    assert latest["parent"]["subscription_details"]["subscription"] == subscription["id"]
    assert (subscription["ended_at"] is not None) == (status in ENDED)
    assert subscription["pending_update"] is None or latest["status"] == "open"
    for item in subscription["items"]["data"]:
        assert item["current_period_start"] < item["current_period_end"]
        if status in {"active", "past_due", "unpaid", "trialing"}:
            assert item["current_period_start"] <= now_s < item["current_period_end"]
    if subscription["cancel_at_period_end"] and status not in ENDED:
        ends = [item["current_period_end"] for item in subscription["items"]["data"]]
        assert subscription["cancel_at"] == min(ends)
    if status == "active" and subscription["pending_update"] is None:
        assert not (latest["status"] == "open" and latest["attempted"])
    if status == "trialing":
        assert subscription["trial_end"] > now_s


def check_invoice(ledger: Ledger, invoice: Body) -> None:
    """Check that an invoice, its lines, its payment and the charges for it agree."""
    assert sum(line["amount"] for line in invoice["lines"]["data"]) == invoice["total"]
    assert invoice["amount_paid"] in {0, invoice["amount_due"]}
    payments = list(ledger.store.oldest("invoice_payment", where={"invoice": invoice["id"]}))
    wanted = {"paid": {"paid", "canceled"}, "void": {"canceled"}}.get(invoice["status"], {"open"})
    assert {payment["status"] for payment in payments} <= wanted
    assert bool(payments) == (invoice["amount_due"] > 0 and invoice["status"] != "draft")
    for payment in payments:
        intent = ledger.get("payment_intent", payment["payment"]["payment_intent"])
        assert (intent["status"] == "succeeded") == (payment["status"] == "paid")
        charges = ledger.store.oldest("charge", where={"payment_intent": intent["id"]})
        assert sum(charge["paid"] for charge in charges) == (payment["status"] == "paid")


def check_told(store: Store) -> None:
    """Check that the last event about each object holds the object as it is."""
    for kind in _TOLD:
        for body in store.oldest(kind):
            if "deleted" in body:
                continue
            told = next(store.newest("event", owner=body["id"]), None)
            assert told is not None, body
            known = told["data"]["object"]
            # Which number comes next is told by nobody.
            body.pop("next_invoice_sequence", None)
            known.pop("next_invoice_sequence", None)
            assert known == body, told["type"]


def check_money(store: Store) -> None:
    """Check that what was refunded, and what customers have left over, adds up."""
    for charge in store.oldest("charge"):
        refunds = store.oldest("refund", where={"charge": charge["id"]})
        back = sum(refund["amount"] for refund in refunds if refund["status"] != "failed")
        assert charge["amount_refunded"] == back <= charge["amount"]
    for customer in store.oldest("customer"):
        if "deleted" not in customer:
            found = store.oldest("invoice", owner=customer["id"])
            standing = [one for one in found if one["status"] not in {"draft", "void"}]
            used = sum(invoice["total"] - invoice["amount_due"] for invoice in standing)
            assert customer["balance"] == used <= 0
