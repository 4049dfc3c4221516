"""What Postgres says of the events, and whether everything came out right."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from bench.errors import BenchError

# In quotes: asyncpg's classes take a record type in their stubs only.
_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def looking(database_url: str) -> AsyncIterator[_Connection]:
    """Lend a connection beside those of the gateway."""
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def count_waiting(connection: _Connection) -> int:
    """Return how many events are still to be processed."""
    return int(
        await connection.fetchval(
            "select count(*) from psp_inbox where state in ('received', 'failed')"
        )
    )


async def get_committed_s(connection: _Connection, client_id: str) -> float:
    """Return when what the client may use now was committed, in seconds since 1970.

    Raises:
        BenchError: the client may use nothing, or Postgres kept no times.
    """
    committed_s = await connection.fetchval(_COMMITTED, client_id)
    if committed_s is None:
        raise BenchError("nothing was committed for a client who has paid")
    return float(committed_s)


async def check_taken(connection: _Connection, distinct: int) -> None:
    """See that each event is in the inbox once.

    Raises:
        BenchError: one is missing, or is there twice.
    """
    # What the reconciler finds listed meanwhile, none of which was sent, does not count.
    rows = await connection.fetchval("select count(*) from psp_inbox where found_by = 'webhook'")
    if rows != distinct:
        raise BenchError(f"the inbox has {rows} rows of {distinct} events")


async def check_applied(connection: _Connection, subscriptions: Sequence[dict[str, Any]]) -> None:
    """See that no event failed, and that every row says what the provider says.

    Raises:
        BenchError: something differs.
    """
    states = {row["state"] for row in await connection.fetch("select state from psp_inbox")}
    if not states <= {"done", "ignored"}:
        raise BenchError(f"not every event was applied: {sorted(states)}")
    ours = set(map(tuple, await connection.fetch(_OURS)))
    theirs = set(map(_told, subscriptions))
    if ours != theirs:
        raise BenchError(
            f"{len(theirs - ours)} of {len(theirs)} subscriptions differ from the provider's"
        )
    granted = {row[0] for row in await connection.fetch(_GRANTED)}
    living = {
        each["metadata"]["tollway_client"] for each in subscriptions if each["status"] == "active"
    }
    if granted != living:
        raise BenchError(
            f"{len(living - granted)} have paid and may not enter,"
            f" {len(granted - living)} may and have not"
        )


_OURS = """
    select s.psp_sub_id, s.client_id::text, s.psp_customer_id, s.raw_status,
           extract(epoch from s.ended_at)::bigint, s.verified,
           i.psp_price_id, i.quantity, extract(epoch from i.period_end)::bigint
    from subscriptions s join subscription_items i on i.subscription_id = s.id
    """
_GRANTED = """
    select distinct client_id::text from grants
    where from_at <= now() and until_at > now() and revoked_at is null
    """


# Before the commit reaches the disk, so nothing of the way is left out.
_COMMITTED = """
    select extract(epoch from min(pg_xact_commit_timestamp(xmin))) from grants
    where client_id = $1::text::uuid and until_at > now() and revoked_at is null
    """


def _told(subscription: dict[str, Any]) -> tuple[object, ...]:
    """Return what a row of `_OURS` has to be."""
    item = subscription["items"]["data"][0]
    return (
        subscription["id"],
        subscription["metadata"]["tollway_client"],
        subscription["customer"],
        subscription["status"],
        subscription["ended_at"],
        True,
        item["price"]["id"],
        item["quantity"],
        item["current_period_end"],
    )
