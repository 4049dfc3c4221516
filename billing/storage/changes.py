"""Whose facts changed while nobody told us: what a listener reads after its connection was lost."""

from dataclasses import dataclass

from billing.storage.pool import Connection


@dataclass(frozen=True, slots=True)
class Changes:
    """What was written since a mark; `clients` is None if that cannot be told client by client.

    `mark` is where to go on from: the number of the oldest transaction that had not ended.
    """

    mark: int
    clients: tuple[tuple[str, int], ...] | None


async def read_mark(connection: Connection) -> int:
    """Return the number of the oldest transaction that has not ended yet."""
    return int(
        await connection.fetchval("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    )


async def read_changes(connection: Connection, since: int | None, most: int) -> Changes:
    """Return the clients whose facts a transaction changed that had not ended at the mark `since`.

    More than `most`, or a mark that this database has not come to yet (it is another one, or an
    older one that was restored), cannot be told client by client.
    """
    mark = await read_mark(connection)
    if since is None or since > mark:
        return Changes(mark, None)
    rows = await connection.fetch(
        "select client_id::text, version from entitlement_versions"
        " where changed_in >= $1::text::xid8 limit $2",
        str(since),
        most + 1,
    )
    if len(rows) > most:
        return Changes(mark, None)
    return Changes(mark, tuple((row[0], row[1]) for row in rows))
