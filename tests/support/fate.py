"""Connections to Postgres that are cut at a statement of our choice.

The cut is real: the socket is closed, and the server rolls back what was not committed.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from enum import Enum
from typing import Any

import asyncpg

from billing.storage.pool import KeyedConnection


class When(Enum):
    """BEFORE: the server never sees the statement. AFTER: it carried it out, and nobody knows."""

    BEFORE = "before"
    AFTER = "after"


class Fate:
    """Counts the statements of every connection that belongs to it, and cuts one of them."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self._cut_at: int | None = None
        self._when = When.BEFORE
        self._struck = asyncio.Event()

    @property
    def has_struck(self) -> bool:
        """Tell whether the statement that was to be cut has come."""
        return self._struck.is_set()

    async def struck_or(self, working: asyncio.Task[Any]) -> None:
        """Wait until a connection was cut, or the task has ended."""
        striking = asyncio.create_task(self._struck.wait(), name="fate")
        await asyncio.wait((striking, working), return_when=asyncio.FIRST_COMPLETED)
        striking.cancel()

    def cut(self, number: int, when: When) -> None:
        """Forget what was counted; cut the statement of that number, counted from 0."""
        self.spare()
        self._cut_at, self._when = number, when

    def spare(self) -> None:
        """Forget what was counted, and cut nothing."""
        self.statements.clear()
        self._cut_at = None
        self._struck.clear()

    def connection_class(self) -> type[KeyedConnection]:
        """Return a class of connections whose statements are counted here."""
        fate = self

        class Fated(KeyedConnection):
            async def execute(self, query: str, *args: Any, **options: Any) -> Any:
                is_hit = fate._comes(self, query)
                told = await super().execute(query, *args, **options)
                fate._goes(self, is_hit=is_hit)
                return told

            async def executemany(self, command: str, args: Any, **options: Any) -> None:
                is_hit = fate._comes(self, command)
                await super().executemany(command, args, **options)
                fate._goes(self, is_hit=is_hit)

            async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
                is_hit = fate._comes(self, query)
                told = await super().fetch(query, *args, **options)
                fate._goes(self, is_hit=is_hit)
                return told

            async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
                is_hit = fate._comes(self, query)
                told = await super().fetchval(query, *args, **options)
                fate._goes(self, is_hit=is_hit)
                return told

            async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
                is_hit = fate._comes(self, query)
                told = await super().fetchrow(query, *args, **options)
                fate._goes(self, is_hit=is_hit)
                return told

        return Fated

    def _comes(self, connection: "asyncpg.Connection[asyncpg.Record]", query: str) -> bool:
        number = len(self.statements)
        self.statements.append(query)
        if number != self._cut_at:
            return False
        if self._when is When.BEFORE:
            self._cut(connection)
        return True

    def _goes(self, connection: "asyncpg.Connection[asyncpg.Record]", *, is_hit: bool) -> None:
        if is_hit:
            self._cut(connection)

    def _cut(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._struck.set()
        connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("cut by the test")


async def until_death(
    fate: Fate, work: Coroutine[Any, Any, object], statement: int, when: When
) -> bool:
    """Let the work go on until that statement, as if its process was killed there then.

    Tell whether it came so far.
    """
    fate.cut(statement, when)
    working = asyncio.create_task(work, name="working")
    await fate.struck_or(working)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    has_struck = fate.has_struck
    fate.spare()
    return has_struck


def told_of(statements: Sequence[str]) -> list[str]:
    """Return the statements by their first words, for a message."""
    return [" ".join(statement.split()[:6]) for statement in statements]
