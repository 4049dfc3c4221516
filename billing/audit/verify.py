"""Reads all chains of a database's audit and tells every fault; tells the heads.

All of it is one look at one instant: what is written meanwhile is of no concern to it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from billing.audit.chain import ALL_CHAINS, NO_CLIENT, Head
from billing.audit.epoch import find_epoch, fold
from billing.audit.heads import heads_as_json
from billing.audit.verifier import ChainCheck, Fault, Wrong
from billing.storage.audit import (
    count_audit,
    has_unchained,
    list_heads,
    list_strays,
    stream_chain,
    stream_unchained,
)
from billing.storage.pool import Connection, Database

_log = structlog.get_logger("billing.audit")

# Beyond these nothing is told: somebody replaced the table, and knows it.
MOST_FAULTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look came to. `faults` has `MOST_FAULTS` at most, and is empty where all is whole."""

    rows: int
    faults: tuple[Fault, ...]


async def verify(
    database: Database,
    kept: Mapping[int, Head],
    *,
    on_total: Callable[[int], None] = lambda _: None,
    on_row: Callable[[], None] = lambda: None,
) -> Verdict:
    """Check every row; `kept` are heads that were kept elsewhere, by their chain.

    `on_total` hears how many rows there are, `on_row` is called after each.

    Raises:
        UnavailableError: the database does not answer.
    """
    faults: list[Fault] = []
    rows = 0
    async with _one_instant(database) as connection:
        on_total(await count_audit(connection))
        async for fault in _faults(connection, database, kept):
            if fault is None:
                rows += 1
                on_row()
            elif len(faults) < MOST_FAULTS:
                faults.append(fault)
    return Verdict(rows, tuple(faults))


async def read_heads(database: Database) -> list[Head]:
    """Return the heads, for an operator to keep elsewhere."""
    async with database.connection() as connection:
        return await list_heads(connection)


async def log_heads(database: Database) -> None:
    """Write the heads into the log, which is out of reach of whoever has only the database."""
    heads = await read_heads(database)
    _log.info("audit_heads", heads=heads_as_json(heads))


async def _faults(
    connection: Connection, database: Database, kept: Mapping[int, Head]
) -> AsyncIterator[Fault | None]:
    """Yield each fault, and None for each row that was looked at."""
    key_of = database.ring.audit_keys.get
    heads = {head.chain: head for head in await list_heads(connection)}
    for chain in ALL_CHAINS:
        check = ChainCheck(chain, key_of, kept.get(chain))
        async for entry, stored_hash in stream_chain(connection, chain):
            for fault in check.see(entry, stored_hash):
                yield fault
            yield None
        for fault in check.end(heads.get(chain)):
            yield fault
    for seq in await list_strays(connection, MOST_FAULTS):
        yield Fault(Wrong.EXTRA, None, None, seq)
        yield None
    async for fault_of_epoch in _faults_of_epoch(connection, database):
        yield fault_of_epoch


async def _faults_of_epoch(
    connection: Connection, database: Database
) -> AsyncIterator[Fault | None]:
    epoch = await find_epoch(connection)
    if epoch is None:
        if await has_unchained(connection):
            yield Fault(Wrong.EPOCH, None, None, detail="they were never sealed")
        return
    key = database.ring.audit_keys.get(epoch.key_id)
    if key is None:
        yield Fault(Wrong.UNKNOWN_KEY, NO_CLIENT, None, detail=f"key {epoch.key_id}")
        return
    found = await fold(stream_unchained(connection), epoch.key_id, key)
    for _ in range(found.rows):
        yield None
    if found != epoch:
        detail = f"{epoch.rows} rows were sealed, {found.rows} are there"
        yield Fault(Wrong.EPOCH, None, None, detail=detail)


@asynccontextmanager
async def _one_instant(database: Database) -> AsyncIterator[Connection]:
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection
