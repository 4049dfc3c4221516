"""Stripe's invoices and payment intents in our words: pure and version-tolerant.

Field meanings: Stripe API reference of version 2026-10-28.endive ("Invoices", "Invoice
Payments", "Payment Intents", "Charges", "Refunds", "Disputes", "Early Fraud Warnings").
Since version 2025-03-31.basil an invoice names its subscription under `parent` and its
payment intents under `payments`; before, both stood at its top. Both are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.facts import (
    DisputeState,
    PaymentKind,
    PaymentLine,
    PaymentState,
    ProviderPayment,
)
from billing.providers.stripe.fields import (
    CLIENT_MARK,
    SITE_MARK,
    Json,
    find_id,
    find_instant,
    find_mark,
    reading,
    to_instant,
)

_INVOICE = {
    "draft": PaymentState.DRAFT,
    "paid": PaymentState.PAID,
    "void": PaymentState.VOID,
    "uncollectible": PaymentState.UNCOLLECTIBLE,
}
# A refund in any other state never reaches the payer, or came back from the bank.
_GIVEN_BACK = {"succeeded", "pending", "requires_action"}
# An inquiry (`warning_…`) takes no money; a dispute does, until it is won, and again while
# that is appealed. One that was prevented has given the money back before it began.
_TAKEN = {
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "appeal_needs_response": DisputeState.OPEN,
    "appeal_under_review": DisputeState.OPEN,
    "lost": DisputeState.LOST,
    "prevented": DisputeState.LOST,
    "won": DisputeState.WON,
}
# The worst of several disputes is told.
_WORST_FIRST = (DisputeState.LOST, DisputeState.OPEN, DisputeState.WARNED, DisputeState.WON)
_SHUTTING = {DisputeState.LOST, DisputeState.OPEN, DisputeState.WARNED}


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """What may take a payment back, as listed: refunds, disputes, early fraud warnings."""

    refunds: Sequence[Json] = ()
    disputes: Sequence[Json] = ()
    warnings: Sequence[Json] = ()


def find_intent_ids(invoice: Json) -> tuple[str, ...]:
    """Return the payment intents that say how the invoice stands: its paid one, else its open.

    Raises:
        ProviderRefusedError: the object is no invoice.
    """
    with reading("invoice"):
        found = find_id(invoice.get("payment_intent"))
        if found is not None:
            return (found,)
        rows = (invoice.get("payments") or {}).get("data") or []
        live = [row for row in rows if row["status"] in {"paid", "open"}]
        paid = [row for row in live if row["status"] == "paid"]
        ids = [find_id(row["payment"].get("payment_intent")) for row in paid or live]
        return tuple(dict.fromkeys(i for i in ids if i is not None))


def to_invoice_payment(
    invoice: Json, lines: Iterable[Json], intents: Sequence[Json], back: MoneyBack
) -> ProviderPayment:
    """Read an invoice with all its lines, and the payment intents of `find_intent_ids`.

    Raises:
        ProviderRefusedError: a field without which nothing can be decided is missing.
    """
    with reading("invoice"):
        refunded_minor, refunded_at = _refunded(back, _charged_minor(intents))
        dispute, disputed_at = _disputed(back)
        return ProviderPayment(
            psp_payment_id=invoice["id"],
            kind=PaymentKind.INVOICE,
            livemode=invoice["livemode"],
            psp_customer_id=find_id(invoice.get("customer")),
            psp_sub_id=find_subscription(invoice),
            psp_intent_id=intents[0]["id"] if intents else None,
            amount_minor=invoice["amount_due"],
            currency=invoice["currency"],
            state=_invoice_state(invoice, intents),
            refunded_minor=refunded_minor,
            dispute=dispute,
            taken_back_at=_earliest(refunded_at, disputed_at),
            lines=tuple(_lines(lines)),
            created_at=to_instant(invoice["created"]),
            paid_at=_paid_at(invoice),
            client_ref=_invoice_mark(invoice, CLIENT_MARK),
            site=_invoice_mark(invoice, SITE_MARK),
        )


def to_order_payment(intent: Json, back: MoneyBack) -> ProviderPayment:
    """Read a payment intent that no invoice has, with its `latest_charge` expanded.

    Raises:
        ProviderRefusedError: a field without which nothing can be decided is missing.
    """
    with reading("payment intent"):
        state = _intent_state(intent)
        refunded_minor, refunded_at = _refunded(back, _charged_minor([intent]))
        dispute, disputed_at = _disputed(back)
        charge = find_charge(intent)
        created_at = to_instant(intent["created"])
        paid_at = to_instant(charge["created"]) if charge else created_at
        return ProviderPayment(
            psp_payment_id=intent["id"],
            kind=PaymentKind.ORDER,
            livemode=intent["livemode"],
            psp_customer_id=find_id(intent.get("customer")),
            psp_sub_id=None,
            psp_intent_id=intent["id"],
            amount_minor=intent["amount"],
            currency=intent["currency"],
            state=state,
            refunded_minor=refunded_minor,
            dispute=dispute,
            taken_back_at=_earliest(refunded_at, disputed_at),
            lines=(),
            created_at=created_at,
            paid_at=paid_at if state is PaymentState.PAID else None,
            client_ref=find_mark(intent, CLIENT_MARK),
            site=find_mark(intent, SITE_MARK),
        )


def find_subscription(invoice: Json) -> str | None:
    """Return the subscription that the invoice is of, in either shape."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return find_id(details.get("subscription")) or find_id(invoice.get("subscription"))


def find_charge(intent: Json) -> Json | None:
    """Return the intent's latest charge where it was expanded."""
    charge = intent.get("latest_charge")
    return charge if isinstance(charge, Mapping) else None


def _invoice_mark(invoice: Json, name: str) -> str | None:
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return find_mark(details, name) or find_mark(invoice, name)


def _invoice_state(invoice: Json, intents: Sequence[Json]) -> PaymentState:
    state = _INVOICE.get(invoice["status"])
    if state is not None:
        return state
    states = {_intent_state(intent) for intent in intents}
    for found in (PaymentState.SETTLING, PaymentState.FAILED):
        if found in states:
            return found
    return PaymentState.OPEN


def _intent_state(intent: Json) -> PaymentState:
    match intent["status"]:
        case "succeeded":
            return PaymentState.PAID
        case "processing":
            return PaymentState.SETTLING
        case "canceled":
            return PaymentState.FAILED
        case "requires_payment_method" if intent.get("last_payment_error"):
            return PaymentState.FAILED
        case _:
            return PaymentState.OPEN


def _paid_at(invoice: Json) -> datetime | None:
    if invoice["status"] != "paid":
        return None
    at = find_instant((invoice.get("status_transitions") or {}).get("paid_at"))
    return at or to_instant(invoice["created"])


def _charged_minor(intents: Sequence[Json]) -> int:
    return sum(charge["amount"] for i in intents if (charge := find_charge(i)) is not None)


def _refunded(back: MoneyBack, charged_minor: int) -> tuple[int, datetime | None]:
    """Return what was given back, and since when it is everything."""
    given = [row for row in back.refunds if row["status"] in _GIVEN_BACK]
    total_minor = sum(row["amount"] for row in given)
    if not given or total_minor < charged_minor:
        return total_minor, None
    return total_minor, to_instant(max(row["created"] for row in given))


def _disputed(back: MoneyBack) -> tuple[DisputeState, datetime | None]:
    found = [(_TAKEN.get(d["status"], DisputeState.NONE), d["created"]) for d in back.disputes]
    found += [(DisputeState.WARNED, w["created"]) for w in back.warnings if w.get("actionable")]
    states = {state for state, _ in found}
    worst = next((state for state in _WORST_FIRST if state in states), DisputeState.NONE)
    since = [created for state, created in found if state in _SHUTTING]
    return worst, to_instant(min(since)) if since else None


def _lines(lines: Iterable[Json]) -> Iterable[PaymentLine]:
    for line in lines:
        details = (line.get("parent") or {}).get("subscription_item_details") or {}
        item = details.get("subscription_item") or line.get("subscription_item")
        if item is None:
            continue
        price = ((line.get("pricing") or {}).get("price_details") or {}).get("price")
        yield PaymentLine(
            psp_item_id=str(item),
            psp_price_id=find_id(price or line.get("price")),
            amount_minor=line["amount"],
            period_start=to_instant(line["period"]["start"]),
            period_end=to_instant(line["period"]["end"]),
            is_proration=bool(details.get("proration", line.get("proration"))),
        )


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((at for at in instants if at is not None), default=None)
