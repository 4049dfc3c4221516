"""Read an object of the provider again: the one way in which its word becomes state.

The webhook worker, the return page, an operator and the reconciler come here. An event or
a query string is only a hint about which object to read again. Each object is read and
written on its own (`billing/applying`); after a payment its subscription is read too, and
after a subscription its latest payment while that is not final, so that one hint about
either is enough.
"""

from datetime import datetime, timedelta

from billing.applying.checkout import CheckoutLook
from billing.applying.customer import CustomerLook
from billing.applying.look import Account
from billing.applying.observer import Observer
from billing.applying.payment import PaymentLook, is_final, wants_thorough
from billing.applying.subscription import SubscriptionLook
from billing.catalog import Catalog
from billing.errors import NoSuchObjectError, ProviderRefusedError
from billing.facts import ObjectKind, ObjectRef, PauseKind, ProviderSubscription
from billing.metrics import NO_METER, Meter
from billing.model import Cause, CheckoutState, Source
from billing.ports import Changed, Clock, ProviderReader
from billing.result import Applied, Result, joined
from billing.storage import payments, subscriptions
from billing.storage.pool import Database
from policies.model import SubscriptionStatus

# Asked by a person or by the reconciler, nothing is taken for known.
_DOUBTING = frozenset({Source.RECONCILE, Source.ADMIN})
_UNPAID = frozenset({CheckoutState.OPEN, CheckoutState.SETTLING})


class Applier:
    """Applies the provider's current objects. Safe to call from anywhere, any number of times."""

    def __init__(
        self,
        database: Database,
        provider: ProviderReader,
        catalog: Catalog,
        clock: Clock,
        changed: Changed,
        slack: timedelta,
        *,
        site: str | None = None,
        open_pauses: frozenset[PauseKind] = frozenset(),
        meter: Meter = NO_METER,
    ) -> None:
        self._database = database
        self._provider = provider
        self._account = Account(provider, catalog, site, open_pauses)
        self._observer = Observer(database, self._account, clock, changed, slack, meter)

    async def apply(self, ref: ObjectRef, cause: Cause, *, dry_run: bool = False) -> Result:
        """Read the object again and make our rows say what its provider says of it now.

        With `dry_run` nothing is written, and `changes` tells what would be.

        Raises:
            UnavailableError: try again; what was not read yet is not written.
            NoSuchObjectError: the provider has no such object.
            ProviderRefusedError: what it has cannot be read.
        """
        match ref.kind:
            case ObjectKind.SUBSCRIPTION:
                return await self._subscription(ref.id, cause, dry_run=dry_run)
            case ObjectKind.PAYMENT:
                return await self._payment(ref.id, cause, dry_run=dry_run)
            case ObjectKind.CHECKOUT:
                return await self._checkout(ref.id, cause, dry_run=dry_run)
            case ObjectKind.CUSTOMER:
                return await self._customer(ref.id, cause, dry_run=dry_run)

    async def apply_snapshot(
        self, subscription: ProviderSubscription, occurred_at: datetime, cause: Cause
    ) -> Result:
        """Apply what a verified event said, while its provider cannot be asked.

        Only what is newer than our row and lowers no access is written, marked unverified;
        anything else is STALE. The event stays to be applied from the object itself.
        """
        look = SubscriptionLook(self._account, subscription.psp_sub_id, subscription)
        return await self._observer.observe(look, cause, snapshot_at=occurred_at)

    async def _subscription(
        self, psp_sub_id: str, cause: Cause, *, dry_run: bool, read: str | None = None
    ) -> Result:
        """Read the subscription, then its latest payment unless that is `read` or final."""
        ended = await self._find_ended(psp_sub_id)
        if ended is not None and cause.source not in _DOUBTING:
            return Result(Applied.UNCHANGED, ended, "has ended")
        look = SubscriptionLook(self._account, psp_sub_id)
        result = await self._observer.observe(look, cause, dry_run=dry_run)
        latest = look.found.psp_payment_id if look.found else None
        if result.client_id is None or latest is None or latest == read:
            return result
        if await self._is_final(latest):
            return result
        try:
            paid = await self._observer.observe(
                await self._look_at_payment(latest, cause), cause, dry_run=dry_run
            )
        except NoSuchObjectError as error:
            # The subscription is there, and what it names is not: nothing to be ignored.
            raise ProviderRefusedError(f"{psp_sub_id} names {latest}: {error}") from error
        return joined(result, paid)

    async def _payment(self, any_id: str, cause: Cause, *, dry_run: bool) -> Result:
        """Read the payment that the id leads to, and the subscription that it pays for."""
        known_id = await self._find_payment_id(any_id)
        payment_id = known_id or await self._provider.resolve_payment(any_id)
        thorough = payment_id != any_id
        result = await self._read_payment(payment_id, cause, thorough=thorough, dry_run=dry_run)
        if known_id is None and thorough and result.client_id is not None and not dry_run:
            async with self._database.connection() as connection:
                await payments.note_other_id(
                    connection,
                    self._provider.name,
                    payment_id,
                    any_id,
                    livemode=self._provider.livemode,
                )
        return result

    async def _read_payment(
        self, payment_id: str, cause: Cause, *, thorough: bool, dry_run: bool
    ) -> Result:
        look = await self._look_at_payment(payment_id, cause, thorough=thorough)
        result = await self._observer.observe(look, cause, dry_run=dry_run)
        psp_sub_id = look.found.psp_sub_id if look.found else None
        if psp_sub_id is None:
            return result
        if not look.lacks_subscription:
            if result.client_id is None:
                return result
            bought = await self._subscription(psp_sub_id, cause, dry_run=dry_run, read=payment_id)
            return joined(result, bought)
        bought = await self._subscription(psp_sub_id, cause, dry_run=dry_run, read=payment_id)
        if bought.client_id is None or dry_run:
            return bought
        # Now that it is known whose subscription this is, the payment has a place.
        look = await self._look_at_payment(payment_id, cause, thorough=thorough)
        return joined(bought, await self._observer.observe(look, cause))

    async def _checkout(self, psp_session_id: str, cause: Cause, *, dry_run: bool) -> Result:
        """Read the checkout, then what it paid for."""
        look = CheckoutLook(self._account, psp_session_id)
        result = await self._observer.observe(look, cause, dry_run=dry_run)
        found = look.found
        if found is None:
            return result
        if found.psp_sub_id is not None and self._account.owns(found.livemode, None):
            bought = await self._subscription(found.psp_sub_id, cause, dry_run=dry_run)
            result = joined(result, bought) if result.client_id is not None else bought
        elif result.client_id is not None and found.psp_payment_id is not None:
            paid = await self._look_at_payment(found.psp_payment_id, cause)
            result = joined(result, await self._observer.observe(paid, cause, dry_run=dry_run))
        if result.client_id is None:
            return result
        applied = Applied.WAITING if found.state in _UNPAID else result.applied
        return Result(applied, result.client_id, found.state.value, result.changes)

    async def _customer(self, psp_customer_id: str, cause: Cause, *, dry_run: bool) -> Result:
        """Read the customer, then what it pays for."""
        look = CustomerLook(self._account, psp_customer_id)
        result = await self._observer.observe(look, cause, dry_run=dry_run)
        if result.client_id is None:
            return result
        async with self._database.connection() as connection:
            living = await subscriptions.list_living(
                connection, self._provider.name, psp_customer_id, livemode=self._provider.livemode
            )
        bought = [await self._subscription(found, cause, dry_run=dry_run) for found in living]
        return joined(result, *bought)

    async def _look_at_payment(
        self, psp_payment_id: str, cause: Cause, *, thorough: bool = False
    ) -> PaymentLook:
        async with self._database.connection() as connection:
            row = await payments.find_payment(
                connection, self._provider.name, psp_payment_id, livemode=self._provider.livemode
            )
        return PaymentLook(
            self._account,
            psp_payment_id,
            thorough=thorough or wants_thorough(row, cause.source),
        )

    async def _find_payment_id(self, any_id: str) -> str | None:
        async with self._database.connection() as connection:
            return await payments.find_payment_id(
                connection, self._provider.name, any_id, livemode=self._provider.livemode
            )

    async def _is_final(self, psp_payment_id: str) -> bool:
        async with self._database.connection() as connection:
            return is_final(
                await payments.find_payment(
                    connection,
                    self._provider.name,
                    psp_payment_id,
                    livemode=self._provider.livemode,
                )
            )

    async def _find_ended(self, psp_sub_id: str) -> str | None:
        """Return the client of a subscription that was seen to have ended: that is final."""
        async with self._database.connection() as connection:
            row = await subscriptions.find_subscription(
                connection, self._provider.name, psp_sub_id, livemode=self._provider.livemode
            )
        is_over = row is not None and row.verified and row.status is SubscriptionStatus.ENDED
        return row.client_id if row is not None and is_over else None
