"""The provider's page where a client mends its payment and sees its invoices."""

from billing.errors import NotFoundError
from billing.ports import Provider
from billing.storage import clients
from billing.storage.pool import Database


class Portal:
    """Opens the portal."""

    def __init__(self, database: Database, provider: Provider) -> None:
        self._database = database
        self._provider = provider

    async def open(self, client_id: str, return_url: str) -> str:
        """Return the portal's URL, good for minutes and for whoever has it.

        Raises:
            NotFoundError: the client never paid for anything.
            ProviderRefusedError: the provider will not open one.
            UnavailableError: try again.
        """
        async with self._database.connection() as connection:
            customer = await clients.find_customer(
                connection, self._provider.name, client_id, livemode=self._provider.livemode
            )
        if customer is None:
            raise NotFoundError(f"client {client_id} is no customer of {self._provider.name}")
        return await self._provider.open_portal(customer, return_url)
