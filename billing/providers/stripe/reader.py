"""What Stripe says: objects read again, and lists of what there is to read."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from billing.errors import BadEventError, NoSuchObjectError, ProviderRefusedError
from billing.facts import (
    EventPage,
    EventRef,
    ProviderCheckout,
    ProviderCustomer,
    ProviderPayment,
    ProviderSubscription,
)
from billing.providers.stripe.events import WATCHED, find_snapshot, to_event
from billing.providers.stripe.fields import UNREADABLE, Json, find_id, get_id, reading
from billing.providers.stripe.http import StripeCalls
from billing.providers.stripe.money import (
    MoneyBack,
    find_charge,
    find_intent_ids,
    to_invoice_payment,
    to_order_payment,
)
from billing.providers.stripe.objects import to_checkout, to_customer, to_subscription
from billing.providers.stripe.signing import WebhookSecrets

_PAGE = 100
# Of a hundred lines each: more than Stripe lets an invoice have (250 items at most are its limit).
_MOST_PAGES = 10
CHECKOUT_PARTS = ["line_items", "payment_intent", "subscription"]
"""What `to_checkout` wants expanded."""


class StripeReader:
    """The reading half of the port; see `billing.ports.ProviderReader`."""

    def __init__(self, calls: StripeCalls, secrets: WebhookSecrets) -> None:
        self._calls = calls
        self._secrets = secrets

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> EventRef:
        """Check the signature over the raw bytes, then read what the event is about."""
        self._secrets.check(body, headers.get("Stripe-Signature", ""), now)
        try:
            return to_event(json.loads(body))
        except (*UNREADABLE, RecursionError) as error:
            raise BadEventError("not an event") from error

    def read_snapshot(self, body: bytes) -> ProviderSubscription | None:
        """Return the subscription inside a verified body, in whatever version it is written."""
        try:
            return find_snapshot(json.loads(body))
        except (*UNREADABLE, RecursionError, ProviderRefusedError):
            # No more than a body that says nothing: the object itself is still to be read.
            return None

    async def fetch_checkout(self, psp_session_id: str) -> ProviderCheckout:
        """Retrieve the session with its line items and what it paid for."""
        sessions = self._calls.v1.checkout.sessions
        return to_checkout(
            await self._calls.call(
                sessions.retrieve_async(psp_session_id, {"expand": CHECKOUT_PARTS})
            )
        )

    async def fetch_subscription(self, psp_sub_id: str) -> ProviderSubscription:
        """Retrieve the subscription, and its items apart where it holds only the first of them.

        An item left out would be taken for one that was removed.
        """
        body = await self._calls.call(self._calls.v1.subscriptions.retrieve_async(psp_sub_id))
        with reading("subscription"):
            has_more = body["items"].get("has_more")
        if has_more:
            wanted: Any = {"subscription": psp_sub_id, "limit": _PAGE}
            items = await self._rows(self._calls.v1.subscription_items.list_async(wanted))
            body = body | {"items": {"data": items}}
        return to_subscription(body)

    async def fetch_customer(self, psp_customer_id: str) -> ProviderCustomer:
        """Retrieve the customer."""
        return to_customer(
            await self._calls.call(self._calls.v1.customers.retrieve_async(psp_customer_id))
        )

    async def resolve_payment(self, any_id: str) -> str:
        """Follow the object to its payment intent, and that to the invoice that it pays."""
        if any_id.startswith("in_"):
            return any_id
        intent = any_id if any_id.startswith("pi_") else await self._intent_of(any_id)
        rows = await self._calls.call(
            self._calls.v1.invoice_payments.list_async(
                {"payment": {"type": "payment_intent", "payment_intent": intent}}
            )
        )
        with reading("invoice payments"):
            return next((get_id(row["invoice"]) for row in rows["data"]), intent)

    async def fetch_payment(self, psp_payment_id: str, *, thorough: bool) -> ProviderPayment:
        """Retrieve the invoice or intent, then what its charge says was given back."""
        if psp_payment_id.startswith("pi_"):
            intent = await self._intent(psp_payment_id)
            # An order is read a few times in its life: a warning is always looked for.
            return to_order_payment(intent, await self._money_back([intent], thorough=True))
        invoice = await self._calls.call(
            self._calls.v1.invoices.retrieve_async(psp_payment_id, {"expand": ["payments"]})
        )
        intents = [await self._intent(found) for found in find_intent_ids(invoice)]
        back = await self._money_back(intents, thorough=thorough)
        return to_invoice_payment(invoice, await self._lines(invoice), intents, back)

    async def list_payments(self, psp_sub_id: str) -> tuple[str, ...]:
        """List the subscription's invoices."""
        body = await self._calls.call(
            self._calls.v1.invoices.list_async({"subscription": psp_sub_id, "limit": _PAGE})
        )
        return _ids(body)

    async def list_subscriptions(self, psp_customer_id: str) -> tuple[str, ...]:
        """List the customer's subscriptions of every status; never by when they were created.

        A list of what is new does not repair what is old.
        """
        body = await self._calls.call(
            self._calls.v1.subscriptions.list_async(
                {"customer": psp_customer_id, "status": "all", "limit": _PAGE}
            )
        )
        return _ids(body)

    async def list_events(self, cursor: str | None, since: datetime) -> EventPage:
        """List the events that are newer than the cursor, the oldest first.

        Stripe's lists begin with the newest; `ending_before` gives the page just above an
        event, so that following it walks forwards in time (Stripe, "Process undelivered
        webhook events", read 2026-11).
        """
        if cursor is None:
            cursor = await self._event_before(since)
        if cursor is None:
            return await self._oldest_events(since)
        page = await self._event_page({"ending_before": cursor})
        return _event_page(page, cursor, has_more=bool(page.get("has_more")))

    async def _event_before(self, since: datetime) -> str | None:
        page = await self._event_page({"created": {"lt": int(since.timestamp())}, "limit": 1})
        return next(iter(_ids(page)), None)

    async def _oldest_events(self, since: datetime) -> EventPage:
        """Walk down to the oldest page: nothing is older that one could start from."""
        wanted = {"created": {"gte": int(since.timestamp())}}
        page = await self._event_page(wanted)
        has_more = False
        while page.get("has_more"):
            page, has_more = (
                await self._event_page(wanted | {"starting_after": _ids(page)[-1]}),
                True,
            )
        return _event_page(page, None, has_more=has_more)

    async def _event_page(self, wanted: dict[str, Any]) -> Any:  # Any: JSON and SDK parameters
        params: Any = {"types": list(WATCHED), "limit": _PAGE} | wanted
        return await self._calls.call(self._calls.v1.events.list_async(params))

    async def _intent(self, intent_id: str) -> Any:  # Any: JSON
        intents = self._calls.v1.payment_intents
        return await self._calls.call(
            intents.retrieve_async(intent_id, {"expand": ["latest_charge"]})
        )

    async def _intent_of(self, any_id: str) -> str:
        """Return the payment intent behind a charge, refund, dispute or fraud warning."""
        v1, prefix = self._calls.v1, any_id.partition("_")[0]
        match prefix:
            case "ch" | "py":
                body = await self._calls.call(v1.charges.retrieve_async(any_id))
            case "re" | "pyr":
                body = await self._calls.call(v1.refunds.retrieve_async(any_id))
            case "dp" | "du":
                body = await self._calls.call(v1.disputes.retrieve_async(any_id))
            case "issfr":
                warnings = v1.radar.early_fraud_warnings
                body = await self._calls.call(warnings.retrieve_async(any_id))
            case _:
                raise NoSuchObjectError(f"nothing of Stripe's leads from {any_id} to a payment")
        with reading(any_id):
            found, charge = find_id(body.get("payment_intent")), find_id(body.get("charge"))
        if found is not None:
            return found
        if charge is None or charge == any_id:
            raise NoSuchObjectError(f"{any_id} belongs to no payment intent")
        return await self._intent_of(charge)

    async def _money_back(self, intents: Sequence[Json], *, thorough: bool) -> MoneyBack:
        refunds: list[Json] = []
        disputes: list[Json] = []
        warnings: list[Json] = []
        for intent in intents:
            charge = find_charge(intent)
            if charge is None:
                continue
            wanted: Any = {"payment_intent": intent["id"], "limit": _PAGE}
            v1 = self._calls.v1
            if thorough or charge.get("amount_refunded") or charge.get("refunded"):
                refunds += await self._rows(v1.refunds.list_async(wanted))
            if thorough or charge.get("disputed"):
                disputes += await self._rows(v1.disputes.list_async(wanted))
            if thorough:
                warnings += await self._rows(v1.radar.early_fraud_warnings.list_async(wanted))
        return MoneyBack(refunds, disputes, warnings)

    async def _rows(self, call: Any) -> list[Json]:  # Any: an SDK call
        body = await self._calls.call(call)
        with reading("list"):
            return list(body["data"])

    async def _lines(self, invoice: Json) -> list[Json]:
        """Return every line of the invoice; the invoice itself holds the first ten."""
        with reading("invoice lines"):
            listed = invoice["lines"]
            lines: list[Json] = list(listed["data"])
            for _ in range(_MOST_PAGES):
                if not listed.get("has_more"):
                    break
                after: Any = {"limit": _PAGE, "starting_after": lines[-1]["id"]}
                items = self._calls.v1.invoices.line_items
                listed = await self._calls.call(items.list_async(invoice["id"], after))
                lines += listed["data"]
            return lines


def _ids(body: Json) -> tuple[str, ...]:
    with reading("list"):
        return tuple(get_id(row) for row in body["data"])


def _event_page(body: Json, cursor: str | None, *, has_more: bool) -> EventPage:
    """Turn a page, which begins with the newest, into the order of making."""
    with reading("list of events"):
        events = tuple(to_event(row) for row in reversed(body["data"]))
    return EventPage(events, events[-1].external_id if events else cursor, has_more)
