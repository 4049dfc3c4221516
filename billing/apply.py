"""Lock, fetch, compare, set: the one way in which a provider's word becomes state.

The webhook worker, the return page, and every later caller come here. An event or a
query string is only a hint about which object to read again.
"""

from datetime import datetime, timedelta

from billing.catalog import Catalog
from billing.errors import UnavailableError
from billing.facts import (
    ObjectKind,
    ObjectRef,
    ProviderCheckout,
    ProviderPayment,
    ProviderSubscription,
)
from billing.model import Cause, CheckoutState
from billing.observations import audit_observation, told
from billing.ports import Changed, Clock, Provider
from billing.result import Applied, Result
from billing.storage import audit, checkouts, clients, grants, payments, subscriptions
from billing.storage.pool import Connection, Database
from billing.transitions import GrantFact, grants_of, observe, order_grants


class Applier:
    """Applies the provider's current objects. Safe to call from anywhere, any number of times."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        catalog: Catalog,
        clock: Clock,
        changed: Changed,
        slack: timedelta,
    ) -> None:
        self._database = database
        self._provider = provider
        self._catalog = catalog
        self._clock = clock
        self._changed = changed
        self._slack = slack

    async def apply(self, ref: ObjectRef, cause: Cause, *, dry_run: bool = False) -> Result:
        """Read the object again and make our rows say what its provider says of it now.

        With `dry_run` nothing is written, and `changes` tells what would be.

        Raises:
            UnavailableError: try again; nothing was written.
            NoSuchObjectError: the provider has no such object.
            ProviderRefusedError: what it has cannot be read.
        """
        if dry_run:
            raise NotImplementedError
        match ref.kind:
            case ObjectKind.SUBSCRIPTION:
                return await self._apply_subscription(ref.id, cause)
            case ObjectKind.CHECKOUT:
                return await self._apply_checkout(ref.id, cause)
            case ObjectKind.PAYMENT:
                return await self._apply_payment(ref.id, cause)
            case ObjectKind.CUSTOMER:
                return Result(Applied.FOREIGN, detail="customers are not read yet")

    async def apply_snapshot(
        self, subscription: ProviderSubscription, occurred_at: datetime, cause: Cause
    ) -> Result:
        """Apply what a verified event said, while its provider cannot be asked.

        Only what is newer than our row and lowers no access is written, marked unverified;
        anything else is STALE. The event stays to be applied from the object itself.
        """
        raise NotImplementedError

    async def _apply_payment(self, any_id: str, cause: Cause) -> Result:
        payment_id = await self._provider.resolve_payment(any_id)
        payment = await self._provider.fetch_payment(payment_id, thorough=payment_id != any_id)
        if payment.psp_sub_id is None:
            return Result(Applied.FOREIGN, detail="no payment of a subscription")
        return await self._apply_subscription(payment.psp_sub_id, cause)

    async def _apply_subscription(self, psp_sub_id: str, cause: Cause) -> Result:
        """Make our rows say what the provider says of the subscription now.

        The lock is taken before the fetch: two workers that fetched first could write
        in the wrong order, and the older answer would stay (firestore-stripe#119).

        Raises:
            UnavailableError: try again; nothing was written.
            NoSuchObjectError: the provider has no such subscription.
            ProviderRefusedError: what it has cannot be read.
        """
        lock = f"{self._provider.name}:{psp_sub_id}"
        async with self._database.locked(lock) as connection:
            seq = await subscriptions.next_observation(connection)
            subscription = await self._provider.fetch_subscription(psp_sub_id)
            payment = await self._fetch_payment(subscription.psp_payment_id)
            observed_at = self._clock()
            async with connection.transaction():
                result, version = await self._write(
                    connection, subscription, payment, seq, observed_at, cause
                )
        if result.client_id is not None and version is not None:
            await self._changed(result.client_id, version)
        return result

    async def _apply_checkout(self, psp_session_id: str, cause: Cause) -> Result:
        """Read a hosted checkout again and grant what it paid for; grants nothing unpaid."""
        checkout = await self._provider.fetch_checkout(psp_session_id)
        client_id = await self._client_of(checkout)
        if client_id is None:
            return Result(Applied.FOREIGN, detail="no checkout of ours")
        if checkout.state is CheckoutState.OPEN or checkout.state is CheckoutState.SETTLING:
            return Result(Applied.WAITING, client_id, checkout.state.value)
        if checkout.state is CheckoutState.EXPIRED:
            async with self._database.transaction() as connection:
                await self._close_intent(connection, checkout, "expired")
            return Result(Applied.CHANGED, client_id, "expired")
        if checkout.psp_sub_id is not None:
            result = await self._apply_subscription(checkout.psp_sub_id, cause)
            async with self._database.transaction() as connection:
                await self._close_intent(connection, checkout, "completed")
            return result
        return await self._apply_order(checkout, client_id, cause)

    async def _fetch_payment(self, psp_payment_id: str | None) -> ProviderPayment | None:
        if psp_payment_id is None:
            return None
        return await self._provider.fetch_payment(psp_payment_id, thorough=False)

    async def _client_of(self, checkout: ProviderCheckout) -> str | None:
        """Return the client for whom we opened the checkout; only our own row can tell."""
        async with self._database.connection() as connection:
            return await checkouts.find_client(
                connection,
                self._provider.name,
                checkout.psp_session_id,
                livemode=checkout.livemode,
            )

    async def _apply_order(
        self, checkout: ProviderCheckout, client_id: str, cause: Cause
    ) -> Result:
        plans = [self._catalog.by_price.get(price) for price in checkout.psp_price_ids]
        if not plans or None in plans:
            # Closed now, the order would be paid for and never granted.
            raise UnavailableError(f"no plan has the price of {checkout.psp_session_id}")
        payment = await self._fetch_payment(checkout.psp_payment_id)
        async with self._database.transaction() as connection:
            first = await self._close_intent(connection, checkout, "completed")
            if not first:
                return Result(Applied.STALE, client_id, "applied before")
            now = self._clock()
            facts = [g for p in plans if p for g in order_grants(p, checkout.psp_session_id, now)]
            await grants.save_grants(connection, client_id, facts, cause.actor)
            await self._note_money(connection, client_id, checkout, payment, facts, cause)
            version = await grants.bump_version(connection, client_id)
        await self._changed(client_id, version)
        return Result(Applied.CHANGED, client_id)

    async def _note_money(
        self,
        connection: Connection,
        client_id: str,
        checkout: ProviderCheckout,
        payment: ProviderPayment | None,
        facts: list[GrantFact],
        cause: Cause,
    ) -> None:
        name, livemode = self._provider.name, checkout.livemode
        if payment is not None:
            await payments.save_payment(connection, client_id, payment, name, livemode=livemode)
        if checkout.psp_customer_id is not None:
            await clients.link_customer(
                connection, name, checkout.psp_customer_id, client_id, livemode=livemode
            )
        await audit.write_audit(
            connection, "order.paid", client_id, cause, after={"grants": told(facts)}
        )

    async def _close_intent(
        self, connection: Connection, checkout: ProviderCheckout, state: str
    ) -> bool:
        return await checkouts.close_intent(
            connection,
            self._provider.name,
            checkout.psp_session_id,
            state,
            livemode=checkout.livemode,
        )

    async def _write(
        self,
        connection: Connection,
        subscription: ProviderSubscription,
        payment: ProviderPayment | None,
        seq: int,
        observed_at: datetime,
        cause: Cause,
    ) -> tuple[Result, int | None]:
        name, livemode = self._provider.name, subscription.livemode
        row = await subscriptions.find_known(
            connection, name, subscription.psp_sub_id, livemode=livemode
        )
        client_id = row[0] if row else await self._find_client(connection, subscription)
        if client_id is None:
            return Result(Applied.FOREIGN, detail="no client of ours"), None
        known = row[1] if row else None
        observed = observe(subscription, known, observed_at)
        saved = await subscriptions.save_subscription(
            connection,
            name,
            client_id,
            subscription,
            observed,
            seq=seq,
            observed_at=observed_at,
            cause=cause,
        )
        if saved is None:
            return Result(Applied.STALE, client_id), None
        facts = grants_of(subscription, observed, self._catalog.by_price, self._slack)
        moved = await self._save_grants(connection, client_id, saved, subscription, facts, cause)
        await self._save_money(connection, client_id, saved, subscription, payment)
        if not moved and known is not None and known.status is observed.status:
            return Result(Applied.UNCHANGED, client_id), None
        await audit_observation(connection, client_id, subscription, known, observed, facts, cause)
        version = await grants.bump_version(connection, client_id)
        return Result(Applied.CHANGED, client_id), version

    async def _find_client(
        self, connection: Connection, subscription: ProviderSubscription
    ) -> str | None:
        """Return whom our own checkout wrote on it, else whose customer pays for it."""
        ref = subscription.client_ref
        if ref is not None and await clients.find_external_id(connection, ref) is not None:
            return ref
        return await clients.find_client_by_customer(
            connection,
            self._provider.name,
            subscription.psp_customer_id,
            livemode=subscription.livemode,
        )

    async def _save_grants(
        self,
        connection: Connection,
        client_id: str,
        subscription_id: str,
        subscription: ProviderSubscription,
        facts: list[GrantFact],
        cause: Cause,
    ) -> bool:
        unknown = [
            item.psp_item_id
            for item in subscription.items
            if item.psp_price_id not in self._catalog.by_price
        ]
        ended = await grants.revoke_item_grants(
            connection, subscription_id, facts, unknown, self._clock()
        )
        await subscriptions.save_items(connection, subscription_id, subscription, self._catalog)
        saved = await grants.save_grants(connection, client_id, facts, cause.actor)
        return ended or saved

    async def _save_money(
        self,
        connection: Connection,
        client_id: str,
        subscription_id: str,
        subscription: ProviderSubscription,
        payment: ProviderPayment | None,
    ) -> None:
        name, livemode = self._provider.name, subscription.livemode
        await clients.link_customer(
            connection, name, subscription.psp_customer_id, client_id, livemode=livemode
        )
        if payment is not None:
            await payments.save_payment(
                connection,
                client_id,
                payment,
                name,
                livemode=livemode,
                subscription_id=subscription_id,
            )
