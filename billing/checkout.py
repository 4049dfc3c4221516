"""Buying, returning from the provider, and cancelling: what a client may do with money."""

import uuid
from dataclasses import dataclass

from billing.apply import Applier
from billing.catalog import Catalog
from billing.errors import ProviderRefusedError
from billing.facts import CheckoutOrder, ObjectKind, ObjectRef
from billing.model import (
    AlreadyHeld,
    Cause,
    CheckoutState,
    Hosted,
    Plan,
    Returned,
    Settling,
    Source,
    Subscription,
)
from billing.ports import Clock, Provider
from billing.storage import audit, checkouts, clients, grants, subscriptions
from billing.storage.checkouts import Intent
from billing.storage.pool import Database
from policies.model import SubscriptionStatus

# A subscription in one of these still is, or may become again, what the client pays for:
# to sell its plan a second time would charge twice.
_LIVE = frozenset(
    {
        SubscriptionStatus.TRIALING,
        SubscriptionStatus.ACTIVE,
        SubscriptionStatus.PAST_DUE,
        SubscriptionStatus.CANCELING,
        SubscriptionStatus.PAUSED,
    }
)


@dataclass(frozen=True, slots=True)
class CheckoutUrls:
    """Where the provider sends the visitor back to.

    `{CHECKOUT_SESSION_ID}` in `success` is filled in by the provider; `{intent}` in
    `cancel` by us, with the id that `find_abandoned` takes.
    """

    success: str
    cancel: str


class Checkout:
    """Sells plans through a provider's hosted page."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        catalog: Catalog,
        applier: Applier,
        clock: Clock,
        urls: CheckoutUrls,
    ) -> None:
        self._database = database
        self._provider = provider
        self._catalog = catalog
        self._applier = applier
        self._clock = clock
        self._urls = urls

    def plans(self, app_id: str, feature: str) -> tuple[Plan, ...]:
        """Return the plans on sale that unlock the feature of the app."""
        return self._catalog.unlocking(app_id, feature)

    async def begin(
        self, client_id: str, plan_id: str, *, return_host: str, return_to: str
    ) -> Hosted | AlreadyHeld | Settling:
        """Open the plan's hosted checkout, or find the one that is open already.

        Raises:
            UnknownPlanError: no such plan is for sale.
            UnavailableError: try again; the same checkout will be found.
            ProviderRefusedError: the provider will not sell this.
        """
        plan = self._catalog.get(plan_id)
        if await self._holds(client_id, plan):
            return AlreadyHeld(plan)
        intent = await self._open(client_id, plan, return_host, return_to)
        if intent.psp_session_id is None:
            return await self._create(intent, plan)
        checkout = await self._provider.fetch_checkout(intent.psp_session_id)
        if checkout.state is CheckoutState.OPEN and checkout.url is not None:
            return Hosted(checkout.url)
        if checkout.state is CheckoutState.SETTLING:
            return Settling(plan)
        cause = Cause(Source.RETURN, f"client:{client_id}")
        await self._applier.apply(ObjectRef(ObjectKind.CHECKOUT, intent.psp_session_id), cause)
        if checkout.state is CheckoutState.PAID:
            return AlreadyHeld(plan)
        return await self._create(await self._open(client_id, plan, return_host, return_to), plan)

    async def finish(self, psp_session_id: str) -> Returned | None:
        """Apply what the visitor paid for; None when no checkout of ours has this id.

        The provider is asked and nothing in the visitor's URL is believed, so that the
        door opens before the webhook arrives, and never without money.
        """
        async with self._database.connection() as connection:
            intent = await checkouts.find_intent(
                connection, self._provider.name, psp_session_id, livemode=self._provider.livemode
            )
        if intent is None:
            return None
        cause = Cause(Source.RETURN, f"client:{intent.client_id}")
        result = await self._applier.apply(ObjectRef(ObjectKind.CHECKOUT, psp_session_id), cause)
        if result.client_id is None:
            return None
        return Returned(
            CheckoutState(result.detail), intent.client_id, intent.return_host, intent.return_to
        )

    async def find_abandoned(self, intent_id: str) -> Returned | None:
        """Return where a visitor who left the hosted page came from; None if no such checkout."""
        async with self._database.connection() as connection:
            intent = await checkouts.find_intent_by_id(connection, intent_id)
        if intent is None:
            return None
        return Returned(CheckoutState.OPEN, intent.client_id, intent.return_host, intent.return_to)

    async def subscriptions(self, client_id: str) -> list[Subscription]:
        """Return the client's subscriptions, the newest first."""
        async with self._database.connection() as connection:
            return await subscriptions.list_subscriptions(connection, client_id)

    async def cancel(self, client_id: str, subscription_id: str) -> bool:
        """Let the subscription end with its paid period; False if it is not this client's."""
        mine = await self._note(client_id, subscription_id, "subscription.cancel")
        if mine is None:
            return False
        # New for each wish: a client may cancel, resume and cancel again.
        await self._provider.cancel_at_period_end(mine.psp_sub_id, key=f"cancel:{uuid.uuid4()}")
        await self._apply(mine, client_id)
        return True

    async def resume(self, client_id: str, subscription_id: str) -> bool:
        """Take back a cancellation; False if the subscription is not this client's."""
        mine = await self._note(client_id, subscription_id, "subscription.resume")
        if mine is None:
            return False
        await self._provider.resume(mine.psp_sub_id, key=f"resume:{uuid.uuid4()}")
        await self._apply(mine, client_id)
        return True

    async def _note(self, client_id: str, subscription_id: str, action: str) -> Subscription | None:
        """Return the client's subscription, with the wish to change it in the audit log."""
        rows = await self.subscriptions(client_id)
        mine = next((row for row in rows if row.id == subscription_id), None)
        if mine is not None:
            cause = Cause(Source.ADMIN, f"client:{client_id}")
            async with self._database.transaction() as connection:
                await audit.write_audit(
                    connection, action, client_id, cause, after={"subscription": mine.psp_sub_id}
                )
        return mine

    async def _apply(self, subscription: Subscription, client_id: str) -> None:
        await self._applier.apply(
            ObjectRef(ObjectKind.SUBSCRIPTION, subscription.psp_sub_id),
            Cause(Source.ADMIN, f"client:{client_id}"),
        )

    async def _holds(self, client_id: str, plan: Plan) -> bool:
        rows = await self.subscriptions(client_id)
        if any(row.status in _LIVE and plan.id in row.plan_ids for row in rows):
            return True
        async with self._database.connection() as connection:
            return await grants.holds_order(connection, client_id, plan.id)

    async def _open(self, client_id: str, plan: Plan, return_host: str, return_to: str) -> Intent:
        async with self._database.transaction() as connection:
            return await checkouts.open_intent(
                connection,
                client_id,
                plan,
                self._provider.name,
                livemode=self._provider.livemode,
                return_host=return_host,
                return_to=return_to,
                now=self._clock(),
            )

    async def _create(self, intent: Intent, plan: Plan) -> Hosted:
        async with self._database.connection() as connection:
            customer = await clients.find_customer(
                connection,
                self._provider.name,
                intent.client_id,
                livemode=self._provider.livemode,
            )
        order = CheckoutOrder(
            client_id=intent.client_id,
            plan=plan,
            quantity=1,
            trial_days=plan.trial_days,
            success_url=self._urls.success,
            cancel_url=self._urls.cancel.replace("{intent}", intent.id),
            idempotency_key=intent.idempotency_key,
            psp_customer_id=customer,
        )
        try:
            checkout = await self._provider.create_checkout(order)
        except ProviderRefusedError:
            async with self._database.transaction() as connection:
                await checkouts.fail_intent(connection, intent.id)
            raise
        if checkout.url is None:
            raise ProviderRefusedError("the provider opened a checkout without a page")
        async with self._database.transaction() as connection:
            await checkouts.attach_session(
                connection, intent.id, checkout.psp_session_id, checkout.url
            )
        return Hosted(checkout.url)
