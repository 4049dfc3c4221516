"""A look at whether a customer of the provider still is one."""

from billing.applying.look import Account, Saved
from billing.facts import ObjectKind, ObjectRef, ProviderCustomer
from billing.result import changes_between
from billing.storage import clients
from billing.storage.pool import Connection
from billing.transitions import Sighting


class CustomerLook:
    """Reads a customer that was linked to a client."""

    def __init__(self, account: Account, psp_customer_id: str) -> None:
        self._account = account
        self._psp_customer_id = psp_customer_id
        self._found: ProviderCustomer | None = None

    @property
    def ref(self) -> ObjectRef:
        """Return the customer's reference."""
        return ObjectRef(ObjectKind.CUSTOMER, self._psp_customer_id)

    async def fetch(self) -> None:
        """Read the customer."""
        self._found = await self._account.provider.fetch_customer(self._psp_customer_id)

    async def find_client(self, connection: Connection) -> str | None:
        """Return the client who pays as this customer."""
        provider = self._account.provider
        return await clients.find_client_by_customer(
            connection, provider.name, self._psp_customer_id, livemode=provider.livemode
        )

    async def save(
        self, connection: Connection, client_id: str, sighting: Sighting
    ) -> Saved | None:
        """Note that the customer was deleted, if it was."""
        provider = self._account.provider
        if self._found is None or not self._found.is_deleted:
            return Saved(())
        is_news = await clients.unlink_customer(
            connection,
            provider.name,
            self._psp_customer_id,
            client_id,
            sighting.at,
            livemode=provider.livemode,
        )
        told = changes_between(
            "customer", self._psp_customer_id, {"linked": True}, {"linked": False}
        )
        return Saved(told if is_news else ())

    def action(self) -> str:
        """Return what the audit log calls a change."""
        return "customer.unlinked"
