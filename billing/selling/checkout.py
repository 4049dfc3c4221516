"""Buying on a provider's hosted page, and coming back from it; nothing is sold twice."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from billing.apply import Applier
from billing.catalog import Catalog
from billing.errors import (
    KeyConflictError,
    NotFoundError,
    NotPossibleError,
    ProviderRefusedError,
    UnavailableError,
)
from billing.facts import CheckoutOrder, ObjectKind, ObjectRef, ProviderCheckout
from billing.model import (
    AlreadyHeld,
    Cause,
    CheckoutState,
    Hosted,
    Interval,
    Plan,
    Returned,
    Settling,
    Source,
)
from billing.ports import Clock, Provider
from billing.result import Applied, Result
from billing.selling.holdings import find_held, find_lapsed, to_holdings, without_doors
from billing.storage import checkouts, clients, holdings
from billing.storage.checkouts import Intent
from billing.storage.pool import Connection, Database

# Each turn leaves the client's open checkout behind, or reads what became of it: more than
# a few mean that somebody else opens one after the other at the same time.
_MOST_TURNS = 5
# Stripe forgets an idempotency key after a day; then the same one would open a second page.
_KEY_LIFE = timedelta(hours=23)

_Begun = Hosted | AlreadyHeld | Settling


@dataclass(frozen=True, slots=True)
class CheckoutUrls:
    """Where the provider sends the visitor back to.

    `{CHECKOUT_SESSION_ID}` in `success` is filled in by the provider; `{intent}` in
    `cancel` by us, with the id that `find_abandoned` takes.
    """

    success: str
    cancel: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a client wants to buy, and the page that it wants to see then."""

    client_id: str
    plan: Plan
    quantity: int
    return_host: str
    return_to: str
    key: str | None


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
        self,
        client_id: str,
        plan_id: str,
        *,
        return_host: str,
        return_to: str,
        quantity: int = 1,
        key: str | None = None,
    ) -> _Begun:
        """Open the plan's hosted checkout, or find the one that is open already.

        An open one for another quantity is closed first. With the caller's `key`, a
        repeat finds the same checkout, and never buys again once that was paid.

        Raises:
            UnknownPlanError: no such plan is for sale.
            NotFoundError: there is no such client, or it is closed.
            NotPossibleError: so many of it are not sold.
            KeyConflictError: the key was used for another plan or quantity.
            UnavailableError: try again; the same checkout will be found.
            ProviderRefusedError: the provider will not sell this.
        """
        plan = self._catalog.get(plan_id)
        if not 1 <= quantity <= plan.max_quantity:
            raise NotPossibleError(f"the plan is sold from 1 to {plan.max_quantity} times")
        wish = _Wish(client_id, plan, quantity, return_host, return_to, key)
        read: set[ObjectRef] = set()
        for _ in range(_MOST_TURNS):
            found = await self._find_or_open(wish, read)
            if isinstance(found, AlreadyHeld | Settling):
                return found
            if isinstance(found, ObjectRef):
                await self._apply(client_id, found)
                read.add(found)
                continue
            begun = await self._lead_to_page(found, wish)
            if begun is not None:
                return begun
        raise UnavailableError("another checkout of this plan is being opened")

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

    async def _find_or_open(
        self, wish: _Wish, read: Collection[ObjectRef]
    ) -> Intent | AlreadyHeld | Settling | ObjectRef:
        """Return why it is not sold, what has to be read first, or the open intent.

        All in one transaction, under the lock that whoever writes the client's facts
        takes: a payment that is being applied is either seen here, or its intent is
        still open and found.
        """
        name, livemode = self._provider.name, self._provider.livemode
        async with self._database.transaction() as connection:
            await clients.lock_client(connection, wish.client_id)
            if not await clients.is_active(connection, wish.client_id):
                raise NotFoundError(f"there is no client {wish.client_id}, or it is closed")
            if wish.key is not None and await self._is_spent(connection, wish, wish.key):
                return AlreadyHeld(wish.plan)
            unread = await checkouts.find_unread(
                connection, wish.client_id, wish.plan.id, name, livemode=livemode
            )
            if unread is not None:
                return ObjectRef(ObjectKind.CHECKOUT, unread)
            held = await self._find_held(connection, wish, read)
            if held is not None:
                return held
            return await self._open(connection, wish)

    async def _is_spent(self, connection: Connection, wish: _Wish, key: str) -> bool:
        """Tell whether the key has bought already what is wished for now."""
        used = await checkouts.find_key(connection, wish.client_id, key)
        if used is None:
            return False
        if (used.plan, used.quantity) != (wish.plan.id, wish.quantity):
            raise KeyConflictError("this key was used for another plan or quantity")
        return used.state == "completed"

    async def _find_held(
        self, connection: Connection, wish: _Wish, read: Collection[ObjectRef]
    ) -> AlreadyHeld | Settling | ObjectRef | None:
        """Return why the plan is not sold, or the subscription to read before that is said."""
        subscriptions = await holdings.list_subscription_views(connection, wish.client_id)
        bought = await holdings.list_bought_for_ever(connection, wish.client_id)
        held = find_held(
            wish.plan, wish.quantity, to_holdings(subscriptions, bought, self._catalog.plans)
        )
        lapsed = find_lapsed(held, subscriptions, self._clock())
        if lapsed is None:
            return held
        return without_doors(held) if lapsed in read else lapsed

    async def _open(self, connection: Connection, wish: _Wish) -> Intent:
        name, livemode, plan = self._provider.name, self._provider.livemode, wish.plan
        now = self._clock()
        is_first = not await holdings.had_plan(connection, wish.client_id, plan.id)
        intent = await checkouts.open_intent(
            connection,
            wish.client_id,
            plan,
            name,
            livemode=livemode,
            quantity=wish.quantity,
            trial_days=plan.trial_days if is_first and plan.interval is not Interval.ONCE else 0,
            psp_customer_id=await clients.find_customer(
                connection, name, wish.client_id, livemode=livemode
            ),
            return_host=wish.return_host,
            return_to=wish.return_to,
            now=now,
        )
        if wish.key is not None and intent.is_for(plan, wish.quantity):
            await checkouts.use_key(connection, wish.client_id, wish.key, intent, now)
        return intent

    async def _lead_to_page(self, intent: Intent, wish: _Wish) -> _Begun | None:
        """Return what became of the open intent; None when the way is free for another try."""
        if intent.psp_session_id is None:
            is_forgotten = intent.created_at <= self._clock() - _KEY_LIFE
            if is_forgotten or not intent.is_for(wish.plan, wish.quantity):
                await self._drop(intent)
                return None
            return await self._create(intent, wish.plan)
        checkout = await self._provider.fetch_checkout(intent.psp_session_id)
        if checkout.state is CheckoutState.SETTLING:
            return Settling(wish.plan)
        if checkout.state is CheckoutState.OPEN:
            if checkout.url is not None and intent.is_for(wish.plan, wish.quantity):
                return Hosted(checkout.url, intent.id)
            await self._expire(checkout)
        await self._apply(wish.client_id, ObjectRef(ObjectKind.CHECKOUT, intent.psp_session_id))
        # What was just paid is not sold again, whatever became of it since.
        return AlreadyHeld(wish.plan) if checkout.state is CheckoutState.PAID else None

    async def _create(self, intent: Intent, plan: Plan) -> Hosted | None:
        """Open the hosted page; None if the intent was given up, or its customer is gone."""
        order = CheckoutOrder(
            client_id=intent.client_id,
            plan=plan,
            quantity=intent.quantity,
            trial_days=intent.trial_days,
            success_url=self._urls.success,
            cancel_url=self._urls.cancel.replace("{intent}", intent.id),
            idempotency_key=intent.idempotency_key,
            psp_customer_id=intent.psp_customer_id,
        )
        try:
            checkout = await self._provider.create_checkout(order)
        except ProviderRefusedError:
            await self._drop(intent)
            if await self._is_customer_gone(intent):
                return None
            raise
        if checkout.url is None:
            raise ProviderRefusedError("the provider opened a checkout without a page")
        async with self._database.transaction() as connection:
            is_ours = await checkouts.attach_session(
                connection, intent.id, checkout.psp_session_id, checkout.url
            )
        if is_ours:
            return Hosted(checkout.url, intent.id)
        # Another quantity was wanted meanwhile, or the client erased: nobody may pay on this page.
        await self._expire(checkout)
        return None

    async def _is_customer_gone(self, intent: Intent) -> bool:
        """Look whether the sale was refused since the customer was deleted, and note it."""
        if intent.psp_customer_id is None:
            return False
        customer = ObjectRef(ObjectKind.CUSTOMER, intent.psp_customer_id)
        return (await self._apply(intent.client_id, customer)).applied is Applied.CHANGED

    async def _drop(self, intent: Intent) -> None:
        async with self._database.transaction() as connection:
            await checkouts.fail_intent(connection, intent.id)

    async def _expire(self, checkout: ProviderCheckout) -> None:
        # Refused, it was paid or has expired since we looked: reading it again tells.
        with suppress(ProviderRefusedError):
            await self._provider.expire_checkout(checkout.psp_session_id)

    async def _apply(self, client_id: str, ref: ObjectRef) -> Result:
        return await self._applier.apply(ref, Cause(Source.RETURN, f"client:{client_id}"))
