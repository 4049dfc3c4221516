"""A look at a subscription with its items."""

from billing.applying.look import Account, Concern, Saved
from billing.facts import ObjectKind, ObjectRef, ProviderSubscription
from billing.metrics import Alarm
from billing.result import changes_between
from billing.storage import clients, subscriptions
from billing.storage.pool import Connection
from billing.storage.subscriptions import SubscriptionRow
from billing.transitions import Sighting, is_newer, observe


class SubscriptionLook:
    """`found` is the subscription once it was fetched, or what a snapshot says of it."""

    def __init__(
        self, account: Account, psp_sub_id: str, found: ProviderSubscription | None = None
    ) -> None:
        self._account = account
        self._psp_sub_id = psp_sub_id
        self._row: SubscriptionRow | None = None
        self.found = found

    @property
    def ref(self) -> ObjectRef:
        """Return the subscription's reference."""
        return ObjectRef(ObjectKind.SUBSCRIPTION, self._psp_sub_id)

    async def fetch(self) -> None:
        """Read the subscription, unless there is a snapshot of it to go by."""
        if self.found is None:
            self.found = await self._account.provider.fetch_subscription(self._psp_sub_id)

    async def find_client(self, connection: Connection) -> str | None:
        """Return whose row it is, else whom our own checkout wrote on it, else who pays for it."""
        found = self._fetched
        if not self._account.owns(found.livemode, found.site):
            return None
        self._row = await self._find_row(connection)
        if self._row is not None:
            return self._row.client_id
        ref = found.client_ref
        if ref is not None and await clients.find_external_id(connection, ref) is not None:
            return ref
        return await clients.find_client_by_customer(
            connection, self._psp, found.psp_customer_id, livemode=found.livemode
        )

    async def save(
        self, connection: Connection, client_id: str, sighting: Sighting
    ) -> Saved | None:
        """Write the subscription, its items, and as whom the client pays."""
        found, before = self._fetched, self._row
        if sighting.is_snapshot and not _is_worth(found, before, sighting):
            return None
        known = before.known if before else None
        observed = observe(found, known, sighting, self._account.open_pauses)
        saved = await subscriptions.save_subscription(
            connection, self._psp, client_id, found, observed, sighting
        )
        if saved is None:
            return None
        await subscriptions.save_items(connection, saved, found, self._account.catalog)
        await clients.link_customer(
            connection, self._psp, found.psp_customer_id, client_id, livemode=found.livemode
        )
        after = await self._find_row(connection)
        changes = changes_between(
            "subscription",
            found.psp_sub_id,
            before.told() if before else None,
            after.told() if after else None,
        )
        return Saved(changes, tuple(self._concerns(found)))

    def action(self) -> str:
        """Return what the audit log calls a change."""
        return "subscription.changed" if self._row else "subscription.found"

    def _concerns(self, found: ProviderSubscription) -> list[Concern]:
        named: dict[str, object] = {"subscription": found.psp_sub_id}
        concerns = [
            Concern(Alarm.UNKNOWN_PRICE, named | {"price": item.psp_price_id})
            for item in found.items
            if item.psp_price_id not in self._account.catalog.by_price
        ]
        if found.status is None:
            concerns.append(Concern(Alarm.UNKNOWN_STATUS, named | {"status": found.raw_status}))
        return concerns

    async def _find_row(self, connection: Connection) -> SubscriptionRow | None:
        return await subscriptions.find_subscription(
            connection, self._psp, self._psp_sub_id, livemode=self._fetched.livemode
        )

    @property
    def _psp(self) -> str:
        return self._account.provider.name

    @property
    def _fetched(self) -> ProviderSubscription:
        if self.found is None:
            raise AssertionError("a look is fetched before it is used")
        return self.found


def _is_worth(found: ProviderSubscription, row: SubscriptionRow | None, sighting: Sighting) -> bool:
    return row is None or is_newer(sighting.as_of, found.status, (row.as_of, row.status))
