"""A look at a payment: an invoice's of a subscription, or an order's."""

from billing.applying.look import Account, Saved
from billing.facts import DisputeState, ObjectKind, ObjectRef, PaymentState, ProviderPayment
from billing.model import Source
from billing.result import changes_between
from billing.storage import clients, orders, payments, subscriptions
from billing.storage.orders import OrderRow
from billing.storage.payments import PaymentRow
from billing.storage.pool import Connection
from billing.storage.subscriptions import SubscriptionRow
from billing.transitions import Sighting, observe_payment

# Nothing but a dispute or refund changes these, and those come with an event of their own.
_FINAL = frozenset({PaymentState.PAID, PaymentState.VOID, PaymentState.UNCOLLECTIBLE})


class PaymentLook:
    """`found` is the payment once it was fetched; `thorough` looks for all that it hides."""

    def __init__(self, account: Account, psp_payment_id: str, *, thorough: bool) -> None:
        self._account = account
        self._psp_payment_id = psp_payment_id
        self._thorough = thorough
        self._row: PaymentRow | None = None
        self._subscription: SubscriptionRow | None = None
        self._order: OrderRow | None = None
        self.found: ProviderPayment | None = None

    @property
    def ref(self) -> ObjectRef:
        """Return the payment's reference."""
        return ObjectRef(ObjectKind.PAYMENT, self._psp_payment_id)

    @property
    def lacks_subscription(self) -> bool:
        """Tell whether it is of a subscription that we have not read yet."""
        is_ours = self.found is not None and self._account.owns(
            self.found.livemode, self.found.site
        )
        return is_ours and self._subscription is None and self._fetched.psp_sub_id is not None

    async def fetch(self) -> None:
        """Read the payment."""
        self.found = await self._account.provider.fetch_payment(
            self._psp_payment_id, thorough=self._thorough
        )

    async def find_client(self, connection: Connection) -> str | None:
        """Return whose it is: by what it pays for, else by our mark on it, else by who pays."""
        found, psp = self._fetched, self._account.provider.name
        if not self._account.owns(found.livemode, found.site):
            return None
        if found.psp_sub_id is not None:
            self._subscription = await subscriptions.find_subscription(
                connection, psp, found.psp_sub_id, livemode=found.livemode
            )
            return self._subscription.client_id if self._subscription else None
        self._order = await orders.find_order_of_payment(
            connection, psp, found.psp_payment_id, livemode=found.livemode
        )
        if self._order is not None:
            return self._order.client_id
        ref = found.client_ref
        if ref is not None and await clients.find_external_id(connection, ref) is not None:
            return ref
        if found.psp_customer_id is None:
            return None
        return await clients.find_client_by_customer(
            connection, psp, found.psp_customer_id, livemode=found.livemode
        )

    async def save(
        self, connection: Connection, client_id: str, sighting: Sighting
    ) -> Saved | None:
        """Write the payment."""
        found = self._fetched
        self._row = await self._find_row(connection)
        is_new = await payments.save_payment(
            connection,
            self._account.provider.name,
            client_id,
            observe_payment(found, self._row.paid_at if self._row else None, sighting),
            sighting,
            subscription_id=self._subscription.id if self._subscription else None,
            intent_id=self._order.id if self._order else None,
        )
        if not is_new:
            return None
        after = await self._find_row(connection)
        return Saved(
            changes_between(
                "payment",
                self._psp_payment_id,
                self._row.told() if self._row else None,
                after.told() if after else None,
            )
        )

    def action(self) -> str:
        """Return what happened to the money, as the audit log calls it."""
        found, before = self._fetched, self._row
        if found.dispute is not (before.dispute if before else DisputeState.NONE):
            return f"payment.dispute_{found.dispute}"
        if found.refunded_minor != (before.refunded_minor if before else 0):
            return "payment.refunded"
        return f"payment.{found.state}"

    async def _find_row(self, connection: Connection) -> PaymentRow | None:
        return await payments.find_payment(
            connection,
            self._account.provider.name,
            self._psp_payment_id,
            livemode=self._fetched.livemode,
        )

    @property
    def _fetched(self) -> ProviderPayment:
        if self.found is None:
            raise AssertionError("a look is fetched before it is used")
        return self.found


def is_final(row: PaymentRow | None) -> bool:
    """Tell whether the payment was read and will not change of itself any more."""
    return row is not None and row.state in _FINAL


def wants_thorough(row: PaymentRow | None, source: Source) -> bool:
    """Tell whether to look for what a payment does not point at.

    Where something was found once, it is looked for every time: not to look would read
    as "it is gone".
    """
    was_disputed = row is not None and row.dispute is not DisputeState.NONE
    return was_disputed or source in {Source.RECONCILE, Source.ADMIN}
