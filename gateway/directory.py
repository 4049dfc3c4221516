"""Clients by the names that tokens have for them; carries out `proxy.ports.Clients`."""

from collections.abc import Callable, Iterator

from cachetools import LRUCache

from billing.errors import UnavailableError
from billing.ports import Clock
from billing.storage import clients
from billing.storage.pool import Database
from gateway.last_known.records import KnownName
from gateway.last_known.seeds import Seeds, items_of
from proxy.ports import Heard, SessionsUnavailableError

_MAX_KEPT = 100_000


class ClientDirectory:
    """Clients by external id, remembered until they are closed; a client's id never changes.

    `hash_name` is how the names of seeds were hashed.
    """

    def __init__(self, database: Database, wall: Clock, hash_name: Callable[[str], bytes]) -> None:
        self._database = database
        self._hash_name = hash_name
        self.seeds: Seeds[KnownName] = Seeds(wall)
        self._ids: LRUCache[str, str] = LRUCache(_MAX_KEPT)
        self._forgotten = 0
        self._subscribers: list[Heard] = []

    def subscribe(self, heard: Heard) -> None:
        """Call `heard` with the id of each client that is closed; see `proxy.ports.Clients`."""
        self._subscribers.append(heard)

    def recall(self, external_id: str) -> str | None:
        """Return the client's id if it is remembered; see `proxy.ports.Clients`."""
        try:
            return str(self._ids[external_id])
        except KeyError:
            return None

    async def admit(self, external_id: str) -> str | None:
        """Return the client's id, or None if it was closed; see `proxy.ports.Clients`."""
        known = self.recall(external_id)
        if known is not None:
            return known
        gaps = self._forgotten
        try:
            async with self._database.connection() as connection:
                known = await clients.admit_client(connection, external_id)
        except UnavailableError as error:
            seed = self.seeds.find(self._hash_name(external_id)) if self.seeds else None
            if seed is not None:
                return seed.client_id
            raise SessionsUnavailableError(str(error)) from error
        if self.seeds:
            self.seeds.forget(self._hash_name(external_id))
        # Closed while we asked, it would be remembered for good.
        if known is not None and gaps == self._forgotten:
            self._ids[external_id] = known
        return known

    async def forget(self, client_id: str) -> None:
        """Drop a client that was closed; called with the payload of a notice."""
        self._forgotten += 1
        self.seeds.forget_client(client_id)
        for external_id in [name for name, known in self._ids.items() if known == client_id]:
            self._ids.pop(external_id, None)
        for heard in self._subscribers:
            heard(client_id)

    def known(self) -> Iterator[KnownName]:
        """Iterate over what is remembered, whatever changes meanwhile."""
        yield from self.seeds
        for external_id, client_id in items_of(self._ids):
            yield KnownName(self._hash_name(external_id), client_id)

    def forget_all(self) -> None:
        """Ask again on next use; for when notices may have been missed."""
        self._forgotten += 1
        self._ids.clear()
        for heard in self._subscribers:
            heard(None)
