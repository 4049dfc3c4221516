"""Before a client is refused because time passed, its provider is asked: the asking side.

Who serves visitors has no way to the provider. The question goes by a notice to the control
process, wherever that is, and so does the answer (`billing/reconcile/refresh.py`).
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from cachetools import TTLCache

from billing.errors import UnavailableError
from billing.storage import refresh_notices
from billing.storage.pool import Database

_log = structlog.get_logger("billing.entitlements")

# Who is refused asks again and again; the provider's answer of a minute ago is good enough. A
# second more than the answering side's own minute, which begins later than ours.
_AGAIN_S: Final = 61.0
# The provider has a second, and the notices the rest.
_DEADLINE_S: Final = 1.2
_CLIENTS: Final = 10_000
# Past this, facts are as good as they are.
_MOST_AT_ONCE: Final = 100


class Refreshing:
    """Asks once a minute for each client; all who ask meanwhile wait for the one answer."""

    def __init__(self, database: Database, monotonic_s: Callable[[], float]) -> None:
        self._database = database
        self._asked: TTLCache[str, None] = TTLCache(_CLIENTS, _AGAIN_S, timer=monotonic_s)
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._answers: dict[str, asyncio.Event] = {}

    def may_ask(self, client_id: str) -> bool:
        """Tell whether asking is of use now."""
        if client_id in self._flights:
            return True
        return client_id not in self._asked and len(self._flights) < _MOST_AT_ONCE

    async def ask(self, client_id: str) -> None:
        """Return once the client's facts are as the provider says, or cannot be had in time.

        Shielded: a visitor who leaves must not end what others wait for.
        """
        flight = self._flights.get(client_id)
        if flight is None:
            self._asked[client_id] = None
            flight = asyncio.create_task(self._ask(client_id), name=f"refreshing:{client_id}")
            self._flights[client_id] = flight
            flight.add_done_callback(lambda _: self._flights.pop(client_id, None))
        await asyncio.shield(flight)

    async def answered(self, client_id: str) -> None:
        """Take note that there is nothing more to wait for."""
        answer = self._answers.get(client_id)
        if answer is not None:
            answer.set()

    async def _ask(self, client_id: str) -> None:
        answer = self._answers[client_id] = asyncio.Event()
        try:
            async with asyncio.timeout(_DEADLINE_S):
                async with self._database.connection() as connection:
                    await refresh_notices.ask(connection, client_id)
                await answer.wait()
        except (UnavailableError, TimeoutError) as error:
            _log.info("refresh_not_answered", client_id=client_id, why=str(error) or "too slow")
        finally:
            del self._answers[client_id]


class NoRefreshing:
    """Stands in where nobody could answer."""

    def may_ask(self, client_id: str) -> bool:  # noqa: ARG002 - nobody is ever asked
        """Tell that it is of no use."""
        return False

    async def ask(self, client_id: str) -> None:
        """Ask nobody."""
