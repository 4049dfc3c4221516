"""A payment provider in memory: a full implementation of the port, for billing's own tests."""

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
    ProviderRefusedError,
    UnavailableError,
)
from billing.model import (
    CheckoutOrder,
    CheckoutState,
    EventRef,
    Interval,
    ObjectKind,
    ProviderCheckout,
    ProviderItem,
    ProviderPayment,
    ProviderSubscription,
)
from policies.model import SubscriptionStatus
from tests.support.clock import FakeClock

_T = TypeVar("_T")
_SECRET = b"whsec_memory"


class MemoryProvider:
    """Sells subscriptions and one-off orders; `is_down` makes every call unavailable,
    `is_garbled` every answer unreadable."""

    name = "memory"
    livemode = False

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.is_down = False
        self.is_garbled = False
        self.checkouts: dict[str, ProviderCheckout] = {}
        self.subscriptions: dict[str, ProviderSubscription] = {}
        self.orders: dict[str, CheckoutOrder] = {}
        self._by_key: dict[str, str] = {}

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> EventRef:
        if not hmac.compare_digest(headers.get("Stripe-Signature", ""), sign(body)):
            raise BadEventError("signature does not match")
        event = json.loads(body)
        return EventRef(
            external_id=event["id"],
            type=event["type"],
            object_kind=ObjectKind(event["kind"]) if event.get("kind") else None,
            object_id=event.get("object"),
            livemode=event.get("livemode", False),
            api_version=None,
            occurred_at=now,
        )

    async def create_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        self._answer()
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
            psp_price_ids=(order.plan.psp_price_id,),
            payment=None,
        )
        return self.checkouts[session_id]

    async def fetch_checkout(self, psp_session_id: str) -> ProviderCheckout:
        self._answer()
        return self._get(self.checkouts, psp_session_id)

    async def fetch_subscription(self, psp_sub_id: str) -> ProviderSubscription:
        self._answer()
        return self._get(self.subscriptions, psp_sub_id)

    async def cancel_at_period_end(self, psp_sub_id: str) -> None:
        self._answer()
        held = self._get(self.subscriptions, psp_sub_id)
        end = held.items[0].period_end
        self.change(psp_sub_id, status=SubscriptionStatus.CANCELING, cancel_at=end)

    async def resume(self, psp_sub_id: str) -> None:
        self._answer()
        self.change(psp_sub_id, status=SubscriptionStatus.ACTIVE, cancel_at=None)

    def pay(self, psp_session_id: str) -> None:
        """Let the buyer of the session pay now."""
        order = self.orders[psp_session_id]
        now = self.clock()
        payment = ProviderPayment(
            psp_payment_id=f"pay_{psp_session_id}",
            kind="order" if order.plan.interval is Interval.ONCE else "invoice",
            amount_minor=order.plan.amount_minor,
            currency=order.plan.currency,
            status="paid",
            created_at=now,
        )
        sub_id = None
        if order.plan.interval is not Interval.ONCE:
            sub_id = f"sub_{psp_session_id}"
            self.subscriptions[sub_id] = ProviderSubscription(
                psp_sub_id=sub_id,
                psp_customer_id=f"cus_{order.client_id}",
                livemode=False,
                raw_status="active",
                status=SubscriptionStatus.ACTIVE,
                started_at=now,
                trial_end=None,
                cancel_at=None,
                ended_at=None,
                items=(
                    ProviderItem(
                        f"si_{psp_session_id}",
                        order.plan.psp_price_id,
                        1,
                        now,
                        now + timedelta(days=30),
                    ),
                ),
                client_ref=order.client_id,
                payment=payment,
                raw="{}",
            )
        self.checkouts[psp_session_id] = replace(
            self.checkouts[psp_session_id],
            state=CheckoutState.PAID,
            url=None,
            psp_customer_id=f"cus_{order.client_id}",
            psp_sub_id=sub_id,
            payment=payment if sub_id is None else None,
        )

    def change(
        self,
        psp_sub_id: str,
        *,
        status: SubscriptionStatus | None = None,
        cancel_at: datetime | None = None,
        ended_at: datetime | None = None,
        period_end: datetime | None = None,
    ) -> None:
        """Change a subscription as the provider's own machinery would."""
        held = self.subscriptions[psp_sub_id]
        items = tuple(
            replace(item, period_end=period_end or item.period_end) for item in held.items
        )
        self.subscriptions[psp_sub_id] = replace(
            held, status=status, cancel_at=cancel_at, ended_at=ended_at, items=items
        )

    def _answer(self) -> None:
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
