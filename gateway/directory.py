"""Clients by the names that tokens have for them; carries out `proxy.ports.Clients`."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cachetools import LRUCache

from billing.entitlements.rest import Rest
from billing.errors import UnavailableError
from billing.ports import Clock
from billing.storage import clients
from billing.storage.pool import Database
from gateway.hearing import Hearing
from gateway.last_known.records import KnownName
from gateway.last_known.seeds import Seeds, items_of
from proxy.ports import Heard, SessionsUnavailableError

_MAX_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class _Kept:
    client_id: str
    signed_out_s: float
    gaps: int
    read_s: float

    def admits(self, issued_s: float) -> bool:
        return issued_s >= self.signed_out_s


class ClientDirectory:
    """Clients by external id, remembered until they end; a client's id never changes.

    `hash_name` is how the names of seeds were hashed.
    """

    def __init__(
        self,
        database: Database,
        wall: Clock,
        hash_name: Callable[[str], bytes],
        *,
        timeout_s: float = 2.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        # For one look-up, so that nobody waits longer for a database that hangs.
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._rest = Rest(monotonic)
        self._hearing = Hearing(monotonic)
        self._hash_name = hash_name
        self.seeds: Seeds[KnownName] = Seeds(wall)
        self._kept: LRUCache[str, _Kept] = LRUCache(_MAX_KEPT)
        self._forgotten = 0
        self._subscribers: list[Heard] = []

    def subscribe(self, heard: Heard) -> None:
        """Call `heard` with the id of each client that ends; see `proxy.ports.Clients`."""
        self._subscribers.append(heard)

    def recall(self, external_id: str, issued_s: float) -> str | None:
        """Return the client's id if it is remembered; see `proxy.ports.Clients`."""
        try:
            kept = self._kept[external_id]
        except KeyError:
            return None
        is_good = kept.admits(issued_s) and self._hearing.covers(kept.gaps, kept.read_s)
        return kept.client_id if is_good else None

    async def admit(self, external_id: str, issued_s: float) -> str | None:
        """Return the client's id, or None if it has ended; see `proxy.ports.Clients`."""
        recalled = self.recall(external_id, issued_s)
        if recalled is not None:
            return recalled
        # Who is known waits for no database that just failed, but for one try a second.
        last_known = self._find_last_known(external_id, issued_s)
        if last_known is not None and not self._rest.is_over and not self._rest.may_try():
            return last_known
        forgotten = self._forgotten
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._database.connection() as connection,
            ):
                known = await clients.admit_client(connection, external_id)
        except (UnavailableError, TimeoutError) as error:
            self._rest.failed()
            # Without a database nobody is closed either, unless we have heard of it meanwhile.
            last_known = self._find_last_known(external_id, issued_s)
            if last_known is not None:
                return last_known
            raise SessionsUnavailableError(str(error) or "Postgres is too slow") from error
        self._rest.succeeded()
        if self.seeds:
            self.seeds.forget(self._hash_name(external_id))
        if known is None:
            self._kept.pop(external_id, None)
        elif forgotten == self._forgotten:
            # Closed while we asked, it would be remembered for good.
            kept = _Kept(*known, self._hearing.gaps, self._monotonic())
            self._kept[external_id] = kept
        if known is None or issued_s < known.signed_out_s:
            return None
        return known.client_id

    def _find_last_known(self, external_id: str, issued_s: float) -> str | None:
        kept: _Kept | None = self._kept.get(external_id)
        if kept is not None:
            return kept.client_id if kept.admits(issued_s) else None
        seed = self.seeds.find(self._hash_name(external_id)) if self.seeds else None
        return None if seed is None else seed.client_id

    async def forget(self, client_id: str) -> None:
        """Drop a client that was closed or signed out; called with the payload of a notice."""
        self._forgotten += 1
        self.seeds.forget_client(client_id)
        for external_id, kept in items_of(self._kept):
            if kept.client_id == client_id:
                self._kept.pop(external_id, None)
        for heard in self._subscribers:
            heard(client_id)

    def known(self) -> Iterator[KnownName]:
        """Iterate over what is remembered, whatever changes meanwhile.

        A file knows nothing of tokens: who was ever signed out everywhere is left out of it.
        """
        yield from self.seeds
        for external_id, kept in items_of(self._kept):
            if kept.signed_out_s:
                continue
            yield KnownName(self._hash_name(external_id), kept.client_id)

    def lost(self) -> None:
        """Closings may go unheard from now on: nobody is remembered for long."""
        self._hearing.lost()

    def hears(self) -> None:
        """All closings are heard from now on; everybody is asked about on next use."""
        self._hearing.hears()
        self._forgotten += 1
        for heard in self._subscribers:
            heard(None)
