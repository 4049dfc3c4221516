"""A look at a hosted checkout of ours."""

from billing.applying.look import Account, Saved
from billing.errors import ProviderRefusedError
from billing.facts import ObjectKind, ObjectRef, ProviderCheckout
from billing.result import changes_between
from billing.storage import clients, orders
from billing.storage.orders import OrderRow
from billing.storage.pool import Connection
from billing.transitions import Sighting


class CheckoutLook:
    """`found` is the checkout once it was fetched."""

    def __init__(self, account: Account, psp_session_id: str) -> None:
        self._account = account
        self._psp_session_id = psp_session_id
        self._row: OrderRow | None = None
        self.found: ProviderCheckout | None = None

    @property
    def ref(self) -> ObjectRef:
        """Return the checkout's reference."""
        return ObjectRef(ObjectKind.CHECKOUT, self._psp_session_id)

    async def fetch(self) -> None:
        """Read the checkout."""
        self.found = await self._account.provider.fetch_checkout(self._psp_session_id)

    async def find_client(self, connection: Connection) -> str | None:
        """Return for whom we opened it; only our own row can tell.

        Raises:
            ProviderRefusedError: it was paid once for all in the name of a client of ours,
                and we know of no such checkout: somebody has to look.
        """
        found = self._fetched
        if not self._account.owns(found.livemode, None):
            return None
        self._row = await self._find_row(connection)
        if self._row is not None:
            return self._row.client_id
        ref = found.client_ref
        if ref is None or found.psp_payment_id is None:
            return None
        if await clients.find_external_id(connection, ref) is not None:
            raise ProviderRefusedError(
                f"checkout {found.psp_session_id} is a client's, and not in our books"
            )
        return None

    async def save(
        self, connection: Connection, client_id: str, sighting: Sighting
    ) -> Saved | None:
        """Write what it came to, and as whom the client paid."""
        found, before = self._fetched, self._row
        if not await orders.save_order(connection, self._psp, found, sighting):
            return None
        if found.psp_customer_id is not None:
            await clients.link_customer(
                connection, self._psp, found.psp_customer_id, client_id, livemode=found.livemode
            )
        after = await self._find_row(connection)
        return Saved(
            changes_between(
                "checkout",
                found.psp_session_id,
                before.told() if before else None,
                after.told() if after else None,
            )
        )

    def action(self) -> str:
        """Return what the audit log calls a change."""
        return f"checkout.{self._fetched.state}"

    async def _find_row(self, connection: Connection) -> OrderRow | None:
        return await orders.find_order(
            connection, self._psp, self._psp_session_id, livemode=self._fetched.livemode
        )

    @property
    def _psp(self) -> str:
        return self._account.provider.name

    @property
    def _fetched(self) -> ProviderCheckout:
        if self.found is None:
            raise AssertionError("a look is fetched before it is used")
        return self.found
