"""Every sealed column, and how its rows get a newer key. A new one needs a line in `COLUMNS`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from billing.crypto.keyring import KeyRing, head_of, is_sealed
from billing.crypto.sealing import email_indexes
from billing.errors import DamagedError, UnknownKeyError
from billing.storage.pool import Connection, ring_of


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column and its context `table.column.place`; `place` and `id` are SQL of the row.

    `index` names a column that is computed from the text, and how. `is_old` is a column that was
    not sealed in older versions: what is not, will be.
    """

    table: str
    column: str
    id: str = "id"
    id_type: str = "uuid"
    place: str = "id"
    index: tuple[str, Callable[[KeyRing, bytes], bytes]] | None = None
    is_old: bool = False

    @property
    def name(self) -> str:
        """The name in words: `table.column`."""
        return f"{self.table}.{self.column}"


COLUMNS: Final = (
    SealedColumn("clients", "name_enc"),
    SealedColumn(
        "clients",
        "email_enc",
        index=("email_index", lambda ring, email: email_indexes(ring, email.decode())[0]),
    ),
    SealedColumn(
        "psp_inbox",
        "body",
        id_type="bigint",
        place="psp || ':' || external_id",
        is_old=True,
    ),
    SealedColumn("idempotent_requests", "answer_enc", place="caller || '/' || key"),
    SealedColumn("signing_keys", "private_sealed", id="kid", id_type="text", place="kid"),
    SealedColumn("subscriptions", "raw_enc", place="psp || ':' || psp_sub_id"),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of some rows; `after` goes on behind them, None when the column is done."""

    sealed: int
    failed: int
    after: str | None


async def count_other(connection: Connection, column: SealedColumn) -> int:
    """Return how many rows are not sealed with the first key."""
    found = await connection.fetchval(
        f"select count(*) from {column.table} where {_IS_OTHER.format(column.column)}",  # noqa: S608 - names of ours
        head_of(ring_of(connection).key_id),
    )
    return int(found)


async def reseal(
    connection: Connection, column: SealedColumn, after: str | None, limit: int
) -> Batch:
    """Seal up to so many rows anew with the first key, in the order of their ids.

    The rows are locked until the transaction ends: keep it short. What does not open is left as it
    is, and counted.
    """
    ring = ring_of(connection)
    rows = await connection.fetch(
        f"select {column.id}::text as id, {column.column} as sealed, ({column.place})::text as place"  # noqa: S608, E501 - names of ours
        f" from {column.table} where {_IS_OTHER.format(column.column)}"
        f" and ($2::text is null or {column.id} > $2::text::{column.id_type})"
        f" order by {column.id} limit $3 for update",
        head_of(ring.key_id),
        after,
        limit,
    )
    changed: list[tuple[object, ...]] = []
    for row in rows:
        try:
            changed.append((row["id"], *_resealed(ring, column, row["sealed"], row["place"])))
        except (DamagedError, UnknownKeyError):
            continue
    also = f", {column.index[0]} = $3" if column.index is not None else ""
    await connection.executemany(
        f"update {column.table} set {column.column} = $2{also}"  # noqa: S608 - names of ours
        f" where {column.id} = $1::text::{column.id_type}",
        changed,
    )
    last = rows[-1]["id"] if len(rows) == limit else None
    return Batch(len(changed), len(rows) - len(changed), last)


async def count_by_key(connection: Connection, column: SealedColumn) -> dict[str | None, int]:
    """Return how many rows each key sealed; None is for what is not sealed."""
    name = column.column
    rows = await connection.fetch(
        f"select case when length({name}) > 2 and get_byte({name}, 0) = 1"  # noqa: S608 - names of ours
        f" then encode(substring({name} from 3 for get_byte({name}, 1)), 'escape') end as key_id,"
        f" count(*) as rows from {column.table} where {name} is not null and {name} <> ''"
        " group by 1 order by 1"
    )
    return {row["key_id"]: row["rows"] for row in rows}


async def count_audit_by_key(connection: Connection) -> dict[str | None, int]:
    """Return how many rows of the audit each key signed; None is for those of an older version."""
    rows = await connection.fetch(
        "select key_id, count(*) as rows from audit group by 1 order by 1"
    )
    return {row["key_id"]: row["rows"] for row in rows}


_IS_OTHER: Final = (
    "{0} is not null and {0} <> '' and substring({0} from 1 for length($1::bytea)) <> $1::bytea"
)


def _resealed(ring: KeyRing, column: SealedColumn, sealed: bytes, place: str) -> tuple[bytes, ...]:
    context = f"{column.name}.{place}"
    is_plain = column.is_old and not is_sealed(sealed)
    text = sealed if is_plain else ring.open(sealed, context)
    again = ring.seal(text, context)
    return (again,) if column.index is None else (again, column.index[1](ring, text))
