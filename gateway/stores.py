"""Opens the truth, the caches over it, and the sessions."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from billing.audit.epoch import seal_older
from billing.crypto.keyring import KeyRing
from billing.entitlements.memory import MemoryStore
from billing.entitlements.reader import EntitlementReader
from billing.entitlements.redis_store import FAILURES, RedisClient, RedisStore
from billing.entitlements.refreshing import Refreshing
from billing.entitlements.shared import NoSharedStore, SharedStore
from billing.entitlements.signing import Signer
from billing.entitlements.trust import Trust
from billing.errors import BillingError, KeyRingError, UnavailableError
from billing.ports import Clock
from billing.storage.migrate import list_migrations, migrate
from billing.storage.pool import Database
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.directory import ClientDirectory
from gateway.errors import StartError, StoreDownError
from gateway.health import Check
from gateway.last_known.file import Keys
from gateway.redis_client import close_redis_client, redis_client_of
from gateway.sessions import SessionStore
from gateway.translate import signing_key_of


@dataclass(frozen=True, slots=True)
class Stores:
    """The truth, the caches over it, and the sessions.

    `signer` signs what goes through `redis`; `keys` are those of the last-known file, and of the
    names in it.
    """

    database: Database
    reader: EntitlementReader
    sessions: SessionStore
    clients: ClientDirectory
    refreshing: Refreshing
    shared: SharedStore
    redis: RedisClient | None
    signer: Signer
    memory: MemoryStore
    keys: Keys


@asynccontextmanager
async def open_database(config: Config) -> AsyncIterator[Database]:
    """Connect to the configured database.

    Raises:
        StoreDownError: nothing answers there.
        StartError: the keys cannot be used.
    """
    try:
        database = await Database.open(
            config.database.url.get_secret_value(),
            size=config.database.pool_size,
            ring=keys_of(config),
        )
    except (UnavailableError, ValueError) as error:
        raise StoreDownError(f"cannot use database.url: {error}") from error
    try:
        yield database
    finally:
        await database.close()


def keys_of(config: Config) -> KeyRing:
    """Return the keys of the database's contents.

    Raises:
        StartError: they cannot be used on this machine.
    """
    try:
        return KeyRing.of([key.get_secret_value() for key in config.encryption.keys])
    except KeyRingError as error:
        raise StartError(f"cannot use encryption.keys: {error}") from error


async def bring_up_to_date(database: Database) -> list[str]:
    """Apply the migrations that are missing, and seal what an older version wrote to the audit.

    Returns the names of what was applied.

    Raises:
        StoreDownError: the database does not answer.
        StartError: one failed, or the database is newer than this program.
    """
    try:
        applied = await migrate(database)
        await seal_older(database)
    except UnavailableError as error:
        raise StoreDownError(f"the database does not answer: {error}") from error
    except BillingError as error:
        raise StartError(f"the database cannot be brought up to date: {error}") from error
    return applied


async def open_stores(
    config: Config,
    clock: Clock,
    stack: AsyncExitStack,
    monotonic_s: Callable[[], float] = time.monotonic,
) -> Stores:
    """Make ready to connect to every store; none of them need answer yet.

    The database counts as one that does not answer until somebody has brought it up to date.
    `monotonic_s` is by what caches tell how old something is.

    Raises:
        StartError: the keys cannot be used.
    """
    database = await Database.open(
        config.database.url.get_secret_value(),
        size=config.database.pool_size,
        ring=keys_of(config),
        at_once=False,
        needs=list_migrations()[-1].name,
    )
    stack.push_async_callback(database.close)
    redis = _connect_redis(config, stack)
    cache = config.entitlements
    trust, signer = Trust(), Signer(signing_key_of(config))
    shared: SharedStore = NoSharedStore()
    if redis is not None:
        shared = RedisStore(
            redis,
            trust,
            signer,
            ttl_s=cache.redis_ttl_s,
            timeout_s=config.redis.timeout_s,
            monotonic=monotonic_s,
        )
    refreshing = Refreshing(database, monotonic_s)
    memory = MemoryStore(cache.memory_clients, cache.memory_ttl_s, monotonic_s)
    reader = EntitlementReader(
        memory,
        shared,
        database,
        clock,
        cache.lookup_timeout_s,
        refreshing,
        trust=trust,
    )
    sessions = SessionStore(
        database,
        wall,
        host=config.public.host,
        ttl_s=config.identity.session_ttl_s,
        timeout_s=cache.lookup_timeout_s,
        monotonic=monotonic_s,
    )
    keys = Keys.of(signing_key_of(config))
    clients = ClientDirectory(
        database,
        wall,
        keys.hash_name,
        timeout_s=cache.lookup_timeout_s,
        monotonic=monotonic_s,
    )
    return Stores(
        database, reader, sessions, clients, refreshing, shared, redis, signer, memory, keys
    )


def _connect_redis(config: Config, stack: AsyncExitStack) -> RedisClient | None:
    """Return the shared cache, unless there is none; it need not answer at the start."""
    url = config.redis.url.get_secret_value()
    if url == "none":
        return None
    redis = redis_client_of(url, config.redis.timeout_s)
    stack.push_async_callback(close_redis_client, redis)
    return redis


def checks_of(stores: Stores) -> dict[str, Check]:
    """Return for each store how to find out whether it answers."""

    async def postgres() -> str | None:
        try:
            async with stores.database.connection() as connection:
                await connection.fetchval("select 1")
        except UnavailableError as error:
            return str(error)
        return None

    checks: dict[str, Check] = {"postgres": postgres}
    redis = stores.redis
    if redis is not None:

        async def ping() -> str | None:
            try:
                await redis.ping()
            except FAILURES as error:
                return str(error) or type(error).__name__
            return None

        checks["redis"] = ping
    return checks
