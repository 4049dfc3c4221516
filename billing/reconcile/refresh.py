"""A client's facts read at once: what is asked for before it is refused because time passed.

A renewal that was paid and never told would shut a door on somebody who has paid.
"""

import asyncio
from datetime import timedelta

import structlog
from cachetools import TTLCache

from billing.apply import Applier
from billing.errors import BillingError
from billing.facts import ObjectKind, ObjectRef
from billing.model import Cause, Source
from billing.ports import Clock
from billing.storage import due
from billing.storage.due import Account
from billing.storage.pool import Database

_log = structlog.get_logger("billing.reconcile")

_CAUSE = Cause(Source.RECONCILE, "refresh")
_DEADLINE_S = 1.0
# Who is refused asks again and again; the answer of a minute ago is good enough.
_AGAIN = timedelta(minutes=1)
_CLIENTS = 10_000
# Of the locks and connections, most are for the worker and for returning buyers.
_AT_ONCE = 2
_MOST = 3


class Refresher:
    """Reads what a client pays for, at most once a minute for each client."""

    def __init__(
        self, database: Database, account: Account, applier: Applier, clock: Clock
    ) -> None:
        self._database = database
        self._account = account
        self._applier = applier
        self._clock = clock
        self._asked: TTLCache[str, None] = TTLCache(_CLIENTS, _AGAIN.total_seconds())
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[str, asyncio.Future[bool]] = {}

    async def refresh(self, client_id: str) -> bool:
        """Read the client's subscriptions that have just lapsed; tell whether all were read.

        Answers within a second. Whatever is not read by then stays as it was. Who asks
        meanwhile waits for the same: several processes may each have a visitor to refuse.
        """
        under_way = self._under_way.get(client_id)
        if under_way is not None:
            return await asyncio.shield(under_way)
        if client_id in self._asked or self._places.locked():
            return False
        self._asked[client_id] = None
        told = self._under_way[client_id] = asyncio.get_running_loop().create_future()
        is_read = False
        try:
            is_read = await self._read(client_id)
        finally:
            del self._under_way[client_id]
            told.set_result(is_read)
        return is_read

    async def _read(self, client_id: str) -> bool:
        try:
            async with self._places, asyncio.timeout(_DEADLINE_S):
                async with self._database.connection() as connection:
                    lapsed = await due.list_lapsed(
                        connection, self._account, client_id, self._clock(), _MOST
                    )
                for psp_sub_id in lapsed:
                    await self._applier.apply(
                        ObjectRef(ObjectKind.SUBSCRIPTION, psp_sub_id), _CAUSE
                    )
        except (BillingError, TimeoutError) as error:
            _log.warning("refresh_failed", client_id=client_id, why=str(error) or "too slow")
            return False
        return True
