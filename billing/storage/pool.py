"""The door to Postgres: a bounded pool, time-outs of ours, and errors translated once."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from billing.crypto.keyring import KeyRing
from billing.errors import UnavailableError

# In quotes: asyncpg's classes take a record type in their stubs only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

# No statement of ours runs longer in health; a hung server must not hold a visitor.
COMMAND_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 5.0

LOST = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg says when there is no connection; the last, of one that was cut at a bad moment."""

# "Try again" in SQLSTATE: connection lost (08), a standby that only reads (25006), access
# refused (28), conflicts that Postgres resolves by ending one side (40), resources (53), a
# statement cut short or a server going down (57), the system below (58), and Postgres itself (XX).
_TRANSIENT = ("08", "25006", "28", "40", "53", "57", "58", "XX")

_ASYNCPG_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class KeyedConnection(asyncpg.Connection):
    """A connection that has with it the keys of what it reads and writes.

    After a use that went well it is not reset, which would be one more round trip for every
    statement: no session of ours has settings or cursors to reset. After one that did not it
    may hold a lock, or be stuck in an operation that will never end; then its reset frees
    it, or fails, and the pool drops it.
    """

    __slots__ = ("is_doubtful", "ring")
    ring: KeyRing
    is_doubtful: bool

    def get_reset_query(self) -> str:
        """Return what makes a session like a new one where that is in doubt, else nothing."""
        return super().get_reset_query() if self.is_doubtful else ""

    def doubt(self, *, is_doubtful: bool) -> None:
        """Say whether the session may be in another state than it was lent in."""
        self.is_doubtful = is_doubtful


def ring_of(connection: Connection) -> KeyRing:
    """Return the keys for what the connection reads and writes.

    They travel with it, so that whatever has a transaction can seal a value or write the
    audit in it, and nothing can be given a ring of other keys than its database's.
    """
    return cast("KeyedConnection", connection).ring


class Database:
    """A pool of connections. Every error that a later try may cure is `UnavailableError`.

    `ring` has the keys of the personal data and of the audit in it; see `ring_of`.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", size: int, ring: KeyRing) -> None:
        self._pool = pool
        self.ring = ring
        self._returns: set[asyncio.Task[None]] = set()
        # Who holds a lock waits for a provider, and must leave connections to the others.
        self._lockers = asyncio.Semaphore(max(1, size // 2))

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        size: int,
        ring: KeyRing,
        connection_class: type[KeyedConnection] = KeyedConnection,
        at_once: bool = True,
        needs: str | None = None,
    ) -> "Database":
        """Connect with at most `size` connections, of a class that may watch its statements.

        Without `at_once` nothing is connected before a connection is asked for. A database that
        lacks the migration `needs` counts as one that does not answer: somebody is about to
        bring it up to date, and until then statements would fail as only mistakes of ours may.

        Raises:
            UnavailableError: nothing answered at `url` within `CONNECT_TIMEOUT_S`.
        """
        with _translated(), _coming_in():
            pool = await asyncpg.create_pool(
                url,
                min_size=1 if at_once else 0,
                max_size=size,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                init=functools.partial(_prepare, ring, needs),
                connection_class=connection_class,
            )
        return cls(pool, size, ring)

    async def close(self) -> None:
        """Close every connection, by force where one does not answer."""
        try:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection, waiting at most `ACQUIRE_TIMEOUT_S` for a free one.

        Each statement is a transaction of its own. It must not change the session: what it
        sets would be there for the next who is lent the connection.
        """
        with _translated():
            with _coming_in():
                lent = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
            try:
                keyed = cast("KeyedConnection", lent)
                keyed.doubt(is_doubtful=True)
                yield lent
                keyed.doubt(is_doubtful=False)
            except BaseException:
                # A server that hangs is told for seconds that nobody waits any more: whoever gave
                # up because of that must not wait for it.
                task = asyncio.create_task(self._give_back(lent), name="connection given back")
                self._returns.add(task)
                task.add_done_callback(self._returns.discard)
                raise
            await self._pool.release(lent)

    async def _give_back(self, lent: Connection) -> None:
        with suppress(OSError, TimeoutError, *_ASYNCPG_ERRORS):
            # If it cannot be made like new, the pool drops it and makes another.
            await self._pool.release(cast("PoolConnectionProxy[asyncpg.Record]", lent))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside one transaction, committed at the end."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[Connection]:
        """Lend a connection that alone in the world holds the advisory lock `name`.

        The lock belongs to the connection: if that is cut, the lock is free and the
        holder's next statement fails, so a holder that lost its lock cannot write.
        """
        async with self._room_to_lock(), self.connection() as connection:
            await connection.execute("select pg_advisory_lock(hashtextextended($1, 0))", name)
            try:
                yield connection
            finally:
                if not connection.is_closed():
                    await connection.execute(
                        "select pg_advisory_unlock(hashtextextended($1, 0))", name
                    )

    @asynccontextmanager
    async def _room_to_lock(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                await self._lockers.acquire()
        except TimeoutError as error:
            raise UnavailableError("too many wait for locks") from error
        try:
            yield
        finally:
            self._lockers.release()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "").startswith(_TRANSIENT):
            raise UnavailableError(f"Postgres: {error}") from error
        raise
    except LOST as error:
        raise UnavailableError(f"Postgres: {error or type(error).__name__}") from error


@contextmanager
def _coming_in() -> Iterator[None]:
    """Whatever Postgres has against letting us in, it may not have it later.

    The database is not there yet, or admits nobody just now; no statement of ours is at fault.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        raise UnavailableError(f"Postgres: {error}") from error


async def _prepare(
    ring: KeyRing, needs: str | None, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    if needs is not None and not await _has_migration(connection, needs):
        raise UnavailableError(
            f"the database has not been brought up to date yet: it has no {needs}"
        )
    keyed = cast("KeyedConnection", connection)
    keyed.ring, keyed.is_doubtful = ring, False
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )


async def _has_migration(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> bool:
    try:
        found = await connection.fetchval("select 1 from schema_migrations where name = $1", name)
    except asyncpg.UndefinedTableError:
        return False
    return found is not None
