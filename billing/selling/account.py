"""What clients do on their own account page: see, cancel, end, resume, change, mend."""

from billing.errors import NotFoundError
from billing.model import Cause, Source, Subscription
from billing.ports import Clock
from billing.selling.changes import Changes
from billing.selling.portal import Portal
from billing.storage import holdings, subscriptions
from billing.storage.pool import Database


class Account:
    """A client's own wishes; see `checkout_pages.ports.Account`."""

    def __init__(
        self, database: Database, changes: Changes, portal: Portal, clock: Clock, account_url: str
    ) -> None:
        self._database = database
        self._changes = changes
        self._portal = portal
        self._clock = clock
        self._account_url = account_url

    async def subscriptions(self, client_id: str) -> list[Subscription]:
        """Return the client's subscriptions, the newest first."""
        async with self._database.connection() as connection:
            return await subscriptions.list_subscriptions(connection, client_id, self._clock())

    async def bought_for_ever(self, client_id: str) -> list[str]:
        """Return the names of the plans that the client bought once and still has."""
        async with self._database.connection() as connection:
            return await holdings.list_names_bought_for_ever(connection, client_id)

    async def cancel(self, client_id: str, subscription_id: str) -> None:
        """Let the subscription end with its paid period."""
        await self._changes.cancel(
            client_id, subscription_id, at_period_end=True, cause=_cause(client_id)
        )

    async def end(self, client_id: str, subscription_id: str) -> None:
        """End the subscription now."""
        await self._changes.cancel(
            client_id, subscription_id, at_period_end=False, cause=_cause(client_id)
        )

    async def resume(self, client_id: str, subscription_id: str) -> None:
        """Take back a cancellation."""
        await self._changes.resume(client_id, subscription_id, cause=_cause(client_id))

    async def change(
        self, client_id: str, subscription_id: str, plan_id: str, quantity: int
    ) -> None:
        """Change the subscription into so many of the plan."""
        await self._changes.change(
            client_id, subscription_id, plan_id=plan_id, quantity=quantity, cause=_cause(client_id)
        )

    async def mend(self, client_id: str) -> str | None:
        """Return the page where the client mends its payment; None if it never paid."""
        try:
            return await self._portal.open(client_id, self._account_url)
        except NotFoundError:
            return None


def _cause(client_id: str) -> Cause:
    return Cause(Source.ADMIN, f"client:{client_id}")
