"""A payment provider in memory: a full implementation of the port, for billing's own tests.

Its objects are changed by hand, as the provider's own machinery would change them; its
events are made by the tests.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from billing.errors import (
    BadEventError,
    NoSuchObjectError,
    PaymentNeededError,
    ProviderRefusedError,
    UnavailableError,
)
from billing.facts import (
    CheckoutOrder,
    DisputeState,
    EventPage,
    EventRef,
    ObjectKind,
    ObjectRef,
    PauseKind,
    PaymentKind,
    PaymentLine,
    PaymentState,
    ProviderCheckout,
    ProviderCustomer,
    ProviderItem,
    ProviderPayment,
    ProviderSubscription,
    SubscriptionChange,
)
from billing.model import CheckoutState, Interval
from policies.model import SubscriptionStatus
from tests.support.clock import FakeClock

_T = TypeVar("_T")
_SECRET = b"whsec_memory"
_PERIOD = timedelta(days=30)
_PAGE = 100


class MemoryProvider:
    """Sells subscriptions and one-off orders.

    `is_down` makes every call unavailable, `is_garbled` every answer unreadable,
    `is_declining` every upgrade unpaid. `calls` are the names of what was asked, in order.
    `events` are what `list_events` knows, in the order of their making. `held_back` keeps
    the next answer about a subscription, as it is then, until the event is set.
    """

    name = "memory"
    livemode = False
    api_version = "1"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.is_down = False
        self.is_garbled = False
        self.is_declining = False
        self.calls: list[str] = []
        self.checkouts: dict[str, ProviderCheckout] = {}
        self.subscriptions: dict[str, ProviderSubscription] = {}
        self.payments: dict[str, ProviderPayment] = {}
        self.customers: dict[str, ProviderCustomer] = {}
        self.orders: dict[str, CheckoutOrder] = {}
        self.ways: dict[str, str] = {}
        self.events: list[EventRef] = []
        self.held_back: asyncio.Event | None = None
        self._by_key: dict[str, str] = {}
        self._snapshots: dict[str, ProviderSubscription] = {}

    # What it says

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> EventRef:
        if not hmac.compare_digest(headers.get("Stripe-Signature", ""), sign(body)):
            raise BadEventError("signature does not match")
        event = json.loads(body)
        kind = event.get("kind")
        return EventRef(
            external_id=event["id"],
            type=event["type"],
            ref=ObjectRef(ObjectKind(kind), event["object"]) if kind else None,
            livemode=event.get("livemode", False),
            api_version=event.get("api_version"),
            occurred_at=now,
            twin=event.get("twin"),
        )

    def read_snapshot(self, body: bytes) -> ProviderSubscription | None:
        """Return what `snapshot` put into the event's body: a subscription as it was."""
        return self._snapshots.get(json.loads(body).get("snapshot"))

    async def fetch_checkout(self, psp_session_id: str) -> ProviderCheckout:
        self._answer("fetch_checkout")
        return self._get(self.checkouts, psp_session_id)

    async def fetch_subscription(self, psp_sub_id: str) -> ProviderSubscription:
        self._answer("fetch_subscription")
        found, held_back = self._get(self.subscriptions, psp_sub_id), self.held_back
        self.held_back = None
        if held_back is not None:
            await held_back.wait()
        return found

    async def resolve_payment(self, any_id: str) -> str:
        self._answer("resolve_payment")
        if any_id in self.payments:
            return any_id
        found = next(
            (p.psp_payment_id for p in self.payments.values() if p.psp_intent_id == any_id), None
        )
        return found or self._get(self.ways, any_id)

    async def fetch_payment(self, psp_payment_id: str, *, thorough: bool) -> ProviderPayment:
        self._answer("fetch_payment")
        found = self._get(self.payments, psp_payment_id)
        if found.dispute is DisputeState.WARNED and not thorough:
            return replace(found, dispute=DisputeState.NONE, taken_back_at=None)
        return found

    async def fetch_customer(self, psp_customer_id: str) -> ProviderCustomer:
        self._answer("fetch_customer")
        return self._get(self.customers, psp_customer_id)

    async def list_payments(self, psp_sub_id: str) -> tuple[str, ...]:
        self._answer("list_payments")
        mine = [p for p in self.payments.values() if p.psp_sub_id == psp_sub_id]
        mine.sort(key=lambda payment: payment.created_at, reverse=True)
        return tuple(payment.psp_payment_id for payment in mine[:_PAGE])

    async def list_subscriptions(self, psp_customer_id: str) -> tuple[str, ...]:
        self._answer("list_subscriptions")
        mine = [s for s in self.subscriptions.values() if s.psp_customer_id == psp_customer_id]
        return tuple(subscription.psp_sub_id for subscription in mine[:_PAGE])

    async def list_events(self, cursor: str | None, since: datetime) -> EventPage:
        self._answer("list_events")
        ids = [event.external_id for event in self.events]
        if cursor is not None and cursor not in ids:
            raise NoSuchObjectError(f"no such event: {cursor}")
        start = ids.index(cursor) + 1 if cursor else 0
        later = [e for e in self.events[start:] if cursor or e.occurred_at >= since]
        page = tuple(later[:_PAGE])
        return EventPage(page, page[-1].external_id if page else cursor, len(later) > _PAGE)

    # What is asked of it

    async def create_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        self._answer("create_checkout")
        if order.idempotency_key in self._by_key:
            return self.checkouts[self._by_key[order.idempotency_key]]
        session_id = f"cs_{len(self.checkouts) + 1}"
        self._by_key[order.idempotency_key] = session_id
        self.orders[session_id] = order
        self.checkouts[session_id] = ProviderCheckout(
            psp_session_id=session_id,
            livemode=False,
            state=CheckoutState.OPEN,
            url=f"https://pay.example/{session_id}",
            client_ref=order.client_id,
            psp_customer_id=None,
            psp_sub_id=None,
            psp_payment_id=None,
            psp_price_ids=(order.plan.psp_price_id,),
        )
        return self.checkouts[session_id]

    async def expire_checkout(self, psp_session_id: str) -> None:
        self._answer("expire_checkout")
        held = self._get(self.checkouts, psp_session_id)
        if held.state is not CheckoutState.OPEN:
            raise ProviderRefusedError("only an open checkout can expire")
        self.checkouts[psp_session_id] = replace(held, state=CheckoutState.EXPIRED, url=None)

    async def change_subscription(
        self, psp_sub_id: str, change: SubscriptionChange, *, key: str
    ) -> None:
        self._answer("change_subscription")
        if not self._is_first(key):
            return
        held = self._get(self.subscriptions, psp_sub_id)
        if change.is_upgrade and self.is_declining:
            raise PaymentNeededError("the card was declined")
        items = tuple(
            replace(
                item,
                psp_price_id=change.psp_price_id or item.psp_price_id,
                quantity=change.quantity or item.quantity,
            )
            if item.psp_item_id == change.psp_item_id
            else item
            for item in held.items
        )
        self.subscriptions[psp_sub_id] = replace(held, items=items)

    async def cancel_at_period_end(self, psp_sub_id: str, *, key: str) -> None:
        self._answer("cancel_at_period_end")
        held = self._get(self.subscriptions, psp_sub_id)
        if self._is_first(key):
            end = max(item.period_end for item in held.items)
            self.change(psp_sub_id, status=SubscriptionStatus.CANCELING, cancel_at=end)

    async def cancel_now(self, psp_sub_id: str, *, key: str) -> None:
        self._answer("cancel_now")
        self._get(self.subscriptions, psp_sub_id)
        if self._is_first(key):
            self.end(psp_sub_id)

    async def resume(self, psp_sub_id: str, *, key: str) -> None:
        self._answer("resume")
        self._get(self.subscriptions, psp_sub_id)
        if self._is_first(key):
            self.change(psp_sub_id, status=SubscriptionStatus.ACTIVE, cancel_at=None)

    async def refund(self, psp_intent_id: str, amount_minor: int | None, *, key: str) -> str:
        self._answer("refund")
        payment = await self.resolve_payment(psp_intent_id)
        if key in self._by_key:
            return self._by_key[key]
        held = self.payments[payment]
        left_minor = held.amount_minor - held.refunded_minor
        if (amount_minor or left_minor) > left_minor:
            raise ProviderRefusedError("more than is left")
        self._by_key[key] = f"re_{key}"
        self.ways[f"re_{key}"] = payment
        self.give_back(payment, amount_minor)
        return f"re_{key}"

    async def open_portal(self, psp_customer_id: str, return_url: str) -> str:
        self._answer("open_portal")
        self._get(self.customers, psp_customer_id)
        return f"https://pay.example/portal/{psp_customer_id}"

    # What happens to it

    def pay(self, psp_session_id: str, state: PaymentState = PaymentState.PAID) -> None:
        """Let the buyer of the session pay now; SETTLING is a debit that `settle` decides."""
        order = self.orders[psp_session_id]
        customer = order.psp_customer_id or f"cus_{order.client_id}"
        self.customers.setdefault(customer, ProviderCustomer(customer, is_deleted=False))
        is_order = order.plan.interval is Interval.ONCE
        sub_id = None if is_order else f"sub_{psp_session_id}"
        payment_id = f"pay_{psp_session_id}"
        self.payments[payment_id] = ProviderPayment(
            psp_payment_id=payment_id,
            kind=PaymentKind.ORDER if is_order else PaymentKind.INVOICE,
            livemode=False,
            psp_customer_id=customer,
            psp_sub_id=sub_id,
            psp_intent_id=f"pi_{psp_session_id}",
            amount_minor=order.plan.amount_minor * order.quantity,
            currency=order.plan.currency,
            state=state,
            refunded_minor=0,
            dispute=DisputeState.NONE,
            taken_back_at=None,
            lines=(),
            created_at=self.clock(),
            paid_at=self.clock() if state is PaymentState.PAID else None,
            client_ref=order.client_id,
        )
        if sub_id is not None:
            item = ProviderItem(
                psp_item_id=f"si_{psp_session_id}",
                psp_price_id=order.plan.psp_price_id,
                quantity=order.quantity,
                period_start=self.clock(),
                period_end=self.clock() + _PERIOD,
            )
            self.start(sub_id, item, customer=customer, client_ref=order.client_id)
            self.subscriptions[sub_id] = replace(
                self.subscriptions[sub_id], psp_payment_id=payment_id
            )
            self.bill(payment_id, item)
        is_paid = state is PaymentState.PAID
        self.checkouts[psp_session_id] = replace(
            self.checkouts[psp_session_id],
            state=CheckoutState.PAID if is_paid else CheckoutState.SETTLING,
            url=None,
            psp_customer_id=customer,
            psp_sub_id=sub_id,
            psp_payment_id=payment_id if is_order else None,
        )

    def settle(self, psp_session_id: str, *, is_paid: bool) -> None:
        """Let the debit of the session's buyer come, or fail."""
        payment_id = f"pay_{psp_session_id}"
        self.payments[payment_id] = replace(
            self.payments[payment_id],
            state=PaymentState.PAID if is_paid else PaymentState.FAILED,
            paid_at=self.clock() if is_paid else None,
        )
        self.checkouts[psp_session_id] = replace(
            self.checkouts[psp_session_id],
            state=CheckoutState.PAID if is_paid else CheckoutState.FAILED,
        )

    def start(
        self, sub_id: str, *items: ProviderItem, customer: str, client_ref: str | None
    ) -> ProviderSubscription:
        """Begin a subscription of the items; nothing is billed for it."""
        self.customers.setdefault(customer, ProviderCustomer(customer, is_deleted=False))
        self.subscriptions[sub_id] = ProviderSubscription(
            psp_sub_id=sub_id,
            psp_customer_id=customer,
            livemode=False,
            raw_status="active",
            status=SubscriptionStatus.ACTIVE,
            pause=None,
            started_at=self.clock(),
            trial_end=None,
            cancel_at=None,
            ended_at=None,
            items=items,
            client_ref=client_ref,
            psp_payment_id=None,
            raw="{}",
        )
        return self.subscriptions[sub_id]

    def bill(self, payment_id: str, *items: ProviderItem) -> None:
        """Write the items' periods on the payment."""
        held = self.payments[payment_id]
        lines = tuple(
            PaymentLine(
                psp_item_id=item.psp_item_id,
                psp_price_id=item.psp_price_id,
                amount_minor=held.amount_minor,
                period_start=item.period_start,
                period_end=item.period_end,
                is_proration=False,
            )
            for item in items
        )
        self.payments[payment_id] = replace(held, lines=lines)

    def renew(self, psp_sub_id: str, *, is_paid: bool = True) -> str:
        """Begin the next period of every item and bill it; return the payment's id."""
        held = self.subscriptions[psp_sub_id]
        items = tuple(
            replace(item, period_start=item.period_end, period_end=item.period_end + _PERIOD)
            for item in held.items
        )
        last = self.payments[held.psp_payment_id or ""]
        payment_id = f"pay_{psp_sub_id}_{items[0].period_start:%Y%m%d}"
        self.payments[payment_id] = replace(
            last,
            psp_payment_id=payment_id,
            psp_intent_id=f"pi_{payment_id}",
            state=PaymentState.PAID if is_paid else PaymentState.FAILED,
            refunded_minor=0,
            dispute=DisputeState.NONE,
            taken_back_at=None,
            created_at=items[0].period_start,
            paid_at=items[0].period_start if is_paid else None,
        )
        self.bill(payment_id, *items)
        self.subscriptions[psp_sub_id] = replace(held, items=items, psp_payment_id=payment_id)
        status = SubscriptionStatus.ACTIVE if is_paid else SubscriptionStatus.PAST_DUE
        self.change(psp_sub_id, status=status)
        return payment_id

    def give_back(self, payment_id: str, amount_minor: int | None = None) -> None:
        """Refund the payment, all that is left where no amount is said."""
        held = self.payments[payment_id]
        refunded_minor = held.refunded_minor + (
            held.amount_minor - held.refunded_minor if amount_minor is None else amount_minor
        )
        is_all = refunded_minor >= held.amount_minor
        self.payments[payment_id] = replace(
            held,
            refunded_minor=refunded_minor,
            taken_back_at=self.clock() if is_all else held.taken_back_at,
        )

    def dispute(self, payment_id: str, state: DisputeState) -> None:
        """Let the payer's bank dispute the payment, or decide on its dispute."""
        held = self.payments[payment_id]
        shuts = state in {DisputeState.WARNED, DisputeState.OPEN, DisputeState.LOST}
        self.payments[payment_id] = replace(
            held,
            dispute=state,
            taken_back_at=(held.taken_back_at or self.clock()) if shuts else None,
        )

    def end(self, psp_sub_id: str) -> None:
        """End the subscription now."""
        self.change(psp_sub_id, status=SubscriptionStatus.ENDED, ended_at=self.clock())

    def delete_customer(self, psp_customer_id: str) -> None:
        """Delete the customer, and with it whatever it pays for."""
        self.customers[psp_customer_id] = ProviderCustomer(psp_customer_id, is_deleted=True)
        for held in list(self.subscriptions.values()):
            if held.psp_customer_id == psp_customer_id:
                self.end(held.psp_sub_id)

    def change(
        self,
        psp_sub_id: str,
        *,
        status: SubscriptionStatus | None = None,
        cancel_at: datetime | None = None,
        ended_at: datetime | None = None,
        period_end: datetime | None = None,
        pause: PauseKind | None = None,
    ) -> None:
        """Change a subscription as the provider's own machinery would."""
        held = self.subscriptions[psp_sub_id]
        items = tuple(
            replace(item, period_end=period_end or item.period_end) for item in held.items
        )
        self.subscriptions[psp_sub_id] = replace(
            held,
            status=status,
            raw_status="canceled" if status is SubscriptionStatus.ENDED else str(status),
            cancel_at=cancel_at,
            ended_at=ended_at,
            items=items,
            pause=pause,
        )

    def snapshot(self, psp_sub_id: str) -> str:
        """Keep the subscription as it is; return what an event's `snapshot` names it by."""
        name = f"snapshot_{len(self._snapshots) + 1}"
        self._snapshots[name] = self.subscriptions[psp_sub_id]
        return name

    def _is_first(self, key: str) -> bool:
        return self._by_key.setdefault(key, str(len(self.calls))) == str(len(self.calls))

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.is_down:
            raise UnavailableError("the provider is down")
        if self.is_garbled:
            raise ProviderRefusedError("unreadable object")

    def _get(self, held: Mapping[str, _T], key: str) -> _T:
        try:
            return held[key]
        except KeyError:
            raise NoSuchObjectError(f"no such object: {key}") from None


def sign(body: bytes) -> str:
    """Return the signature that `MemoryProvider.verify` takes."""
    return hmac.new(_SECRET, body, hashlib.sha256).hexdigest()
