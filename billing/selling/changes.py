"""Changing what a client pays for: another plan or quantity, cancelling, resuming."""

from collections.abc import Callable, Mapping
from typing import Any

from billing.catalog import Catalog
from billing.errors import NotFoundError, NotPossibleError
from billing.model import Cause, Interval, Plan
from billing.selling.commands import Commands, command_key
from billing.selling.holdings import may_become
from billing.storage import holdings
from billing.storage.commands import CommandKind, NewCommand
from billing.storage.pool import Database
from billing.views import ItemView, SubscriptionView
from policies.model import SubscriptionStatus

# Others have no period that was paid, of which a difference could be taken.
_CHANGEABLE = frozenset(
    {SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELING}
)


class Changes:
    """Changes subscriptions at their provider; what holds then is read again from there."""

    def __init__(self, database: Database, catalog: Catalog, commands: Commands) -> None:
        self._database = database
        self._catalog = catalog
        self._commands = commands

    async def list_views(
        self, client_id: str, app_id: str | None = None
    ) -> tuple[SubscriptionView, ...]:
        """Return the client's subscriptions, the newest first; with `app_id` those that give it."""
        async with self._database.connection() as connection:
            return await holdings.list_subscription_views(connection, client_id, app_id)

    async def find_view(self, subscription_id: str) -> SubscriptionView | None:
        """Return the subscription, whosever it is."""
        async with self._database.connection() as connection:
            return await holdings.find_subscription_view(connection, subscription_id)

    async def change(
        self,
        client_id: str,
        subscription_id: str,
        *,
        plan_id: str | None = None,
        quantity: int | None = None,
        item: str | None = None,
        cause: Cause,
        key: str | None = None,
    ) -> SubscriptionView:
        """Change an item's plan, quantity or both; what is None stays as it is.

        `item` may be left out where there is one item. What costs more for a period holds
        once its difference is paid; what costs less or the same holds at once, and the
        rest of what was paid is credited. The same key and wish is carried out once.

        Raises:
            NotFoundError: the client has no such subscription, or it has no such item.
            UnknownPlanError: no such plan is for sale.
            NotPossibleError: another currency or interval, too many, or it does not run.
            KeyConflictError: the key was used for another wish.
            PaymentNeededError: the difference could not be paid; `url` is where it can be.
            UnavailableError: try again with the same key.
        """
        held = await self._get(client_id, subscription_id)
        wish = {"plan": plan_id, "quantity": quantity, "item": item}
        return await self._carry_out(
            held,
            CommandKind.CHANGE,
            wish,
            lambda: self._to_change(held, plan_id, quantity, item),
            cause,
            key,
        )

    async def cancel(
        self,
        client_id: str,
        subscription_id: str,
        *,
        at_period_end: bool,
        cause: Cause,
        key: str | None = None,
    ) -> SubscriptionView:
        """End the subscription now, or let it end with what is paid.

        Raises what `change` raises.
        """
        held = await self._get(client_id, subscription_id)
        kind = CommandKind.CANCEL_AT_PERIOD_END if at_period_end else CommandKind.CANCEL_NOW
        return await self._carry_out(held, kind, {}, dict, cause, key)

    async def resume(
        self, client_id: str, subscription_id: str, *, cause: Cause, key: str | None = None
    ) -> SubscriptionView:
        """Take back a cancellation at period end.

        Raises what `change` raises.
        """
        held = await self._get(client_id, subscription_id)
        return await self._carry_out(held, CommandKind.RESUME, {}, dict, cause, key)

    async def _get(self, client_id: str, subscription_id: str) -> SubscriptionView:
        held = await self.find_view(subscription_id)
        if held is None or held.client_id != client_id:
            raise NotFoundError(f"client {client_id} has no subscription {subscription_id}")
        return held

    async def _carry_out(
        self,
        held: SubscriptionView,
        kind: CommandKind,
        wish: Mapping[str, Any],
        to_params: Callable[[], dict[str, Any]],
        cause: Cause,
        key: str | None,
    ) -> SubscriptionView:
        """Carry out the wish, and return the subscription as it is then.

        The key is looked for before what is there is judged by: carried out, a wish
        would not be possible a second time.
        """
        name = command_key(kind, held.client_id, key)
        full_wish = {"subscription": held.id, **wish}
        command = await self._commands.find(name, full_wish)
        if command is None:
            if held.status is SubscriptionStatus.ENDED:
                raise NotPossibleError("the subscription has ended; buy the plan again")
            new = NewCommand(
                key=name,
                client_id=held.client_id,
                kind=kind,
                subject=held.id,
                wish=full_wish,
                params={"subscription": held.psp_sub_id, **to_params()},
                actor=cause.actor,
            )
            async with self._database.transaction() as connection:
                command = await self._commands.write(connection, new, cause)
        await self._commands.carry_out(command, cause)
        return await self._get(held.client_id, held.id)

    def _to_change(
        self, held: SubscriptionView, plan_id: str | None, quantity: int | None, item_id: str | None
    ) -> dict[str, Any]:
        """Return what the provider is asked for, once it is known to be possible."""
        if held.status not in _CHANGEABLE:
            raise NotPossibleError(f"the subscription is {held.status}; mend its payment first")
        item = _item_of(held, item_id)
        before = self._plan_of(item)
        after = before if plan_id in {None, before.id} else self._catalog.get(str(plan_id))
        count = item.quantity if quantity is None else quantity
        if (after, count) == (before, item.quantity):
            raise NotPossibleError("this is what the subscription is already")
        if not may_become(before, after) or after.interval is Interval.ONCE:
            raise NotPossibleError(
                f"plan {after.id!r} is paid in another interval or currency than {before.id!r}: "
                "let the subscription end with its period, and buy it then"
            )
        if not 1 <= count <= after.max_quantity:
            raise NotPossibleError(
                f"plan {after.id!r} is sold from 1 to {after.max_quantity} times"
            )
        if any(other.plan == after.id for other in held.items if other is not item):
            raise NotPossibleError(f"another item of the subscription is plan {after.id!r} already")
        return {
            "item": item.id,
            "price": None if after is before else after.psp_price_id,
            # Said always, so that another price comes in the number that was meant.
            "quantity": count,
            "is_upgrade": after.amount_minor * count > before.amount_minor * item.quantity,
        }

    def _plan_of(self, item: ItemView) -> Plan:
        found = self._catalog.plans.by_version.get((item.plan or "", item.version or 0))
        if found is None:
            raise NotPossibleError("what this item costs is not known here; change it at Stripe")
        return found


def _item_of(held: SubscriptionView, item_id: str | None) -> ItemView:
    if item_id is None:
        if len(held.items) != 1:
            raise NotPossibleError("the subscription has several items: say which one")
        return held.items[0]
    for item in held.items:
        if item.id == item_id:
            return item
    raise NotFoundError(f"subscription {held.id} has no item {item_id}")
