"""Sessions and tickets on a real database: on one host, once, and over when they end."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest

from billing.errors import UnavailableError
from billing.model import Cause, Source
from billing.storage.client_endings import close_client, sign_out_client
from billing.storage.pool import Database
from billing.storage.sessions import use_ticket
from gateway.directory import ClientDirectory
from gateway.last_known.file import Keys
from gateway.last_known.records import KnownName, KnownSession
from gateway.sessions import SessionStore, _hash
from proxy.ports import SessionsUnavailableError
from tests.support.clock import FakeClock, Seconds
from tests.support.servers import Servers
from tests.support.snapshots import CLIENT

KEYS = Keys.of(b"k" * 32)
OWN, APP = "checkout.localhost", "notes.localhost"
BROWSER = "f" * 64


@pytest.fixture
def monotonic() -> Seconds:
    return Seconds()


@pytest.fixture
def new_store(
    database: Database, clock: FakeClock, monotonic: Seconds
) -> Callable[[], SessionStore]:
    """Return how to make a store; two of them are two processes."""

    def make() -> SessionStore:
        return SessionStore(database, clock, host=OWN, ttl_s=3600, monotonic=monotonic)

    return make


@pytest.fixture
def store(new_store: Callable[[], SessionStore]) -> SessionStore:
    return new_store()


def directory_of(database: Database, clock: FakeClock) -> ClientDirectory:
    return ClientDirectory(database, clock, KEYS.hash_name)


async def carry(store: SessionStore, token: str, *, host: str = APP) -> str:
    """Carry the session to the host and return the token there."""
    ticket = await store.issue_ticket(token, host=host, target="/page", fingerprint=BROWSER)
    entered = await store.enter(ticket, host=host, fingerprint=BROWSER)
    assert entered is not None
    assert entered[1] == "/page"
    return entered[0]


async def test_visitor_is_known_by_the_token_on_the_gateways_own_host(store: SessionStore) -> None:
    token = await store.sign_in("demo:ann")

    visitor = await store.find(token)

    assert visitor is not None
    assert visitor.name == "demo:ann"
    assert await store.find_client(token, OWN) == visitor.client_id


async def test_same_name_is_the_same_client_again(store: SessionStore) -> None:
    tokens = [await store.sign_in("demo:ann") for _ in range(2)]

    clients = {await store.find_client(token, OWN) for token in tokens}

    assert len(set(tokens)) == 2
    assert len(clients) == 1


@pytest.mark.parametrize("host", [APP, "evil.example", ""])
async def test_token_opens_nothing_on_another_host(store: SessionStore, host: str) -> None:
    token = await store.sign_in("demo:ann")

    assert await store.find_client(token, host) is None


async def test_ticket_carries_the_session_to_one_host_with_a_token_of_its_own(
    store: SessionStore,
) -> None:
    token = await store.sign_in("demo:ann")

    carried = await carry(store, token)

    assert carried != token
    assert await store.find_client(carried, APP) == await store.find_client(token, OWN)
    assert await store.find_client(carried, OWN) is None


async def test_ticket_is_good_once_even_for_two_at_once(store: SessionStore) -> None:
    token = await store.sign_in("demo:ann")
    ticket = await store.issue_ticket(token, host=APP, target="/", fingerprint=BROWSER)

    entered = await asyncio.gather(
        *(store.enter(ticket, host=APP, fingerprint=BROWSER) for _ in range(5))
    )

    assert sum(one is not None for one in entered) == 1


@pytest.mark.parametrize(
    ("host", "fingerprint"), [("wiki.localhost", BROWSER), (APP, "e" * 64), (APP, "")]
)
async def test_ticket_of_another_host_or_browser_is_refused(
    store: SessionStore, host: str, fingerprint: str
) -> None:
    token = await store.sign_in("demo:ann")
    ticket = await store.issue_ticket(token, host=APP, target="/", fingerprint=BROWSER)

    assert await store.enter(ticket, host=host, fingerprint=fingerprint) is None


async def test_ticket_ends_after_a_minute(store: SessionStore, clock: FakeClock) -> None:
    token = await store.sign_in("demo:ann")
    ticket = await store.issue_ticket(token, host=APP, target="/", fingerprint=BROWSER)

    clock.move(seconds=60)

    assert await store.enter(ticket, host=APP, fingerprint=BROWSER) is None


async def test_session_ends_at_its_time_although_it_is_remembered(
    store: SessionStore, clock: FakeClock
) -> None:
    token = await store.sign_in("demo:ann")
    before = await store.find_client(token, OWN)

    clock.move(seconds=3600)

    assert before is not None
    assert await store.find_client(token, OWN) is None


async def test_carried_session_ends_no_later_than_the_one_it_came_from(
    store: SessionStore, clock: FakeClock
) -> None:
    token = await store.sign_in("demo:ann")
    clock.move(seconds=3000)
    carried = await carry(store, token)

    clock.move(seconds=600)

    assert await store.find_client(carried, APP) is None


async def test_signing_out_ends_every_host_at_once(store: SessionStore) -> None:
    token = await store.sign_in("demo:ann")
    carried = await carry(store, token)
    await store.find_client(carried, APP)

    await store.sign_out(token)

    assert await store.find_client(token, OWN) is None
    assert await store.find_client(carried, APP) is None


async def test_signing_out_leaves_other_sessions_of_the_client(store: SessionStore) -> None:
    first, second = [await store.sign_in("demo:ann") for _ in range(2)]

    await store.sign_out(first)

    assert await store.find_client(second, OWN) is not None


async def test_ticket_of_an_ended_session_is_refused(store: SessionStore) -> None:
    token = await store.sign_in("demo:ann")
    ticket = await store.issue_ticket(token, host=APP, target="/", fingerprint=BROWSER)

    await store.sign_out(token)

    assert await store.enter(ticket, host=APP, fingerprint=BROWSER) is None


async def test_session_that_is_carried_while_its_owner_signs_out_ends_too(
    store: SessionStore, database: Database, clock: FakeClock
) -> None:
    token = await store.sign_in("demo:ann")
    ticket = await store.issue_ticket(token, host=APP, target="/", fingerprint=BROWSER)
    carried = "carried-just-now"
    async with database.transaction() as connection:
        await use_ticket(
            connection,
            _hash(ticket),
            _hash(carried),
            host=APP,
            browser=BROWSER,
            now=clock(),
        )
        signing_out = asyncio.create_task(store.sign_out(token))
        # The sign-out waits for this transaction.
        await wait_for_a_waiter(database)
    await signing_out

    assert await store.find_client(carried, APP) is None


async def wait_for_a_waiter(database: Database) -> None:
    """Wait until somebody waits for a lock."""
    async with asyncio.timeout(10), database.connection() as connection:
        query = (
            "select count(*) from pg_stat_activity"
            " where wait_event_type = 'Lock' and datname = current_database()"
        )
        while not await connection.fetchval(query):  # noqa: ASYNC110 - Postgres sets no Event
            await asyncio.sleep(0.01)


async def test_other_process_forgets_an_ended_session_when_it_is_told(
    store: SessionStore, new_store: Callable[[], SessionStore], database: Database
) -> None:
    other = new_store()
    token = await store.sign_in("demo:ann")
    await other.find_client(token, OWN)
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with database.connection() as connection:
        await connection.add_listener("tollway_session", lambda *notice: told.set_result(notice[3]))

        await store.sign_out(token)
        async with asyncio.timeout(10):
            await other.forget(await told)
        await connection.reset()

    assert await other.find_client(token, OWN) is None


async def test_session_that_ends_while_it_is_looked_up_is_not_remembered_as_live(
    new_store: Callable[[], SessionStore], database: Database
) -> None:
    here, there = new_store(), new_store()
    token = await there.sign_in("demo:ann")
    async with database.transaction() as connection:
        await connection.execute("lock table sessions in access exclusive mode")
        looking = asyncio.create_task(here.find_client(token, OWN))
        await wait_for_a_waiter(database)
        # The notice of a sign-out that was committed after this look-up saw its row.
        await here.forget(_hash(token).hex())
    await looking

    assert here.recall(token, OWN) is None


async def test_end_of_a_session_of_a_file_is_known(store: SessionStore, clock: FakeClock) -> None:
    seed = seed_of("token", clock, minutes=1)
    store.seeds.put(seed.token_hash, seed)

    assert store.find_end("token") == seed.expires_at


async def test_other_process_asks_again_after_half_a_minute_untold(
    store: SessionStore, new_store: Callable[[], SessionStore], monotonic: Seconds
) -> None:
    other = new_store()
    token = await store.sign_in("demo:ann")
    await other.find_client(token, OWN)
    await store.sign_out(token)

    monotonic.now_s += 30

    assert await other.find_client(token, OWN) is None


@pytest.mark.parametrize("token", ["", "x", "\x00", "é", "A" * 101, "A" * 100_000])
async def test_made_up_token_is_nobodys(store: SessionStore, token: str) -> None:
    assert await store.find_client(token, OWN) is None


async def test_who_was_in_stays_in_while_the_store_is_down(
    store: SessionStore, database: Database, monotonic: Seconds
) -> None:
    token = await store.sign_in("demo:ann")
    known = await store.find_client(token, OWN)
    await database.close()
    monotonic.now_s += 31

    assert await store.find_client(token, OWN) == known


async def test_stranger_is_not_called_a_stranger_while_the_store_is_down(
    store: SessionStore, database: Database
) -> None:
    await database.close()

    with pytest.raises(SessionsUnavailableError):
        await store.find_client("unknown", OWN)
    with pytest.raises(UnavailableError):
        await store.find("unknown")


async def test_only_the_hash_of_a_token_is_stored(store: SessionStore, database: Database) -> None:
    token = await store.sign_in("demo:ann")

    async with database.connection() as connection:
        (row,) = await connection.fetch("select * from sessions")

    assert token not in str(dict(row))
    assert len(row["token_hash"]) == 32


async def test_client_of_a_token_is_made_once_by_two_at_once(
    database: Database, clock: FakeClock
) -> None:
    directories = [directory_of(database, clock) for _ in range(2)]

    found = await asyncio.gather(
        *(d.admit("idp:bea", math.inf) for d in directories for _ in range(3))
    )

    assert len(set(found)) == 1


async def test_directory_that_cannot_ask_says_so(database: Database, clock: FakeClock) -> None:
    directory = directory_of(database, clock)
    known = await directory.admit("idp:bea", math.inf)
    await database.close()

    assert await directory.admit("idp:bea", math.inf) == known
    with pytest.raises(SessionsUnavailableError):
        await directory.admit("idp:cid", math.inf)


async def test_closed_client_is_admitted_no_more_once_the_notice_has_come(
    database: Database, clock: FakeClock
) -> None:
    directory = directory_of(database, clock)
    client_id = await directory.admit("idp:bea", math.inf)
    assert client_id is not None

    async with database.transaction() as connection:
        await close_client(connection, client_id, Cause(Source.ADMIN, "operator"), clock())
    await directory.forget(client_id)

    assert directory.recall("idp:bea", math.inf) is None
    assert await directory.admit("idp:bea", math.inf) is None


async def test_signing_a_client_out_refuses_its_tokens_of_before_and_no_later_ones(
    database: Database, clock: FakeClock
) -> None:
    directory, told = directory_of(database, clock), list[str | None]()
    directory.subscribe(told.append)
    before_s = time.time() - 1
    client_id = await directory.admit("idp:bea", before_s)
    assert client_id is not None

    async with database.transaction() as connection:
        await sign_out_client(connection, client_id, Cause(Source.ADMIN, "operator"), clock())
    await directory.forget(client_id)

    assert told == [client_id]
    assert await directory.admit("idp:bea", before_s) is None
    assert directory.recall("idp:bea", before_s) is None
    assert await directory.admit("idp:bea", time.time() + 1) == client_id
    assert directory.recall("idp:bea", time.time() + 1) == client_id
    await database.close()
    assert await directory.admit("idp:bea", time.time() + 1) == client_id
    with pytest.raises(SessionsUnavailableError):
        await directory.admit("idp:bea", before_s)


async def test_client_signed_out_everywhere_is_in_nowhere_by_a_cookie(
    store: SessionStore, new_store: Callable[[], SessionStore], database: Database, clock: FakeClock
) -> None:
    token = await store.sign_in("demo:ann")
    client_id = await new_store().find_client(token, OWN)
    assert client_id is not None

    async with database.transaction() as connection:
        await sign_out_client(connection, client_id, Cause(Source.ADMIN, "operator"), clock())

    assert await new_store().find_client(token, OWN) is None
    anew = await store.sign_in("demo:ann")
    assert await store.find_client(anew, OWN) == client_id


async def test_closed_client_is_signed_out_everywhere(
    store: SessionStore, new_store: Callable[[], SessionStore], database: Database, clock: FakeClock
) -> None:
    token = await store.sign_in("demo:ann")
    client_id = await new_store().find_client(token, OWN)
    assert client_id is not None

    async with database.transaction() as connection:
        await close_client(connection, client_id, Cause(Source.ADMIN, "operator"), clock())

    assert await new_store().find_client(token, OWN) is None


def seed_of(token: str, clock: FakeClock, **ends_in: float) -> KnownSession:
    """Return a session as a file held it."""
    now = clock()
    return KnownSession(
        _hash(token), CLIENT, APP, now + timedelta(days=9), now + timedelta(**ends_in)
    )


async def test_session_of_a_file_holds_while_nobody_can_be_asked_and_within_its_lease(
    store: SessionStore, database: Database, clock: FakeClock, monotonic: Seconds
) -> None:
    seed = seed_of("token", clock, hours=1)
    store.seeds.put(seed.token_hash, seed)
    await database.close()

    within = await store.find_client("token", APP)
    elsewhere = await store.find_client("token", OWN)
    clock.move(hours=1)
    monotonic.now_s += 3600

    assert (within, elsewhere) == (CLIENT, None)
    with pytest.raises(SessionsUnavailableError):
        await store.find_client("token", APP)


async def test_one_good_look_replaces_what_a_file_held(
    store: SessionStore, database: Database, clock: FakeClock
) -> None:
    seed = seed_of("token", clock, hours=1)
    store.seeds.put(seed.token_hash, seed)

    found = await store.find_client("token", APP)

    assert found is None
    assert list(store.known()) == []


async def test_session_of_a_file_is_dropped_on_notice(
    store: SessionStore, database: Database, clock: FakeClock
) -> None:
    seed = seed_of("token", clock, hours=1)
    store.seeds.put(seed.token_hash, seed)
    await database.close()

    await store.forget(seed.token_hash.hex())

    with pytest.raises(SessionsUnavailableError):
        await store.find_client("token", APP)


async def test_name_of_a_file_is_known_while_nobody_can_be_asked_until_it_is_closed(
    database: Database, clock: FakeClock
) -> None:
    directory = directory_of(database, clock)
    name_hash = KEYS.hash_name("idp:bea")
    directory.seeds.put(name_hash, KnownName(name_hash, CLIENT, clock() + timedelta(hours=1)))
    await database.close()

    known = await directory.admit("idp:bea", math.inf)
    await directory.forget(CLIENT)

    assert known == CLIENT
    with pytest.raises(SessionsUnavailableError):
        await directory.admit("idp:bea", math.inf)


async def test_after_a_look_in_vain_who_is_known_is_not_looked_up_for_a_moment(
    store: SessionStore,
    database: Database,
    database_url: str,
    servers: Servers,
    clock: FakeClock,
    monotonic: Seconds,
) -> None:
    seed = seed_of("token", clock, hours=1)
    store.seeds.put(seed.token_hash, seed)
    async with nobody_let_in(database_url, servers):
        in_vain = await store.find_client("token", APP)

    unasked = await store.find_client("token", APP)
    monotonic.now_s += 1
    asked = await store.find_client("token", APP)

    assert (in_vain, unasked, asked) == (CLIENT, CLIENT, None)


@asynccontextmanager
async def nobody_let_in(database_url: str, servers: Servers) -> AsyncIterator[None]:
    name = urlsplit(database_url).path.lstrip("/")
    admin = await asyncpg.connect(servers.postgres)
    try:
        await admin.execute(f'alter database "{name}" with allow_connections false')
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
        )
        yield
        await admin.execute(f'alter database "{name}" with allow_connections true')
    finally:
        await admin.close()
