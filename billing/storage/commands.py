"""What providers are asked: one row for each command, before it is carried out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg

from billing.storage.pool import Connection


class CommandKind(StrEnum):
    """What can be asked. Opening a checkout is not among them: its intent is its row."""

    CHANGE = "change"
    CANCEL_AT_PERIOD_END = "cancel_at_period_end"
    CANCEL_NOW = "cancel_now"
    RESUME = "resume"
    REFUND = "refund"


# Of these the latest counts; refunds add up.
_RIVALS = (
    (CommandKind.CANCEL_AT_PERIOD_END, CommandKind.CANCEL_NOW, CommandKind.RESUME),
    (CommandKind.CHANGE,),
)


class CommandState(StrEnum):
    """What came of it. UNPAID: it holds once the client pays. GIVEN_UP: nobody knows."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    UNPAID = "unpaid"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A wish, and what the provider is asked for it."""

    key: str
    client_id: str
    kind: CommandKind
    subject: str
    wish: Mapping[str, Any]  # Any: JSON, whose values the kind tells
    params: Mapping[str, Any]
    actor: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command as our table tells it.

    `result` is the id of a refund, or the page where an unpaid change is paid.
    """

    id: str
    key: str
    client_id: str
    kind: CommandKind
    subject: str
    wish: Mapping[str, Any]
    params: Mapping[str, Any]
    state: CommandState
    result: str | None
    actor: str
    created_at: datetime
    last_error: str | None


_COLUMNS = (
    "id::text, key, client_id::text, kind, subject::text, wish, params, state, result, actor,"
    " created_at, last_error"
)


async def insert_command(
    connection: Connection, command: NewCommand, psp: str, *, livemode: bool, now: datetime
) -> Command | None:
    """Write the command; None if its key was used before."""
    row = await connection.fetchrow(
        f"""
        insert into provider_commands
            (key, psp, livemode, client_id, kind, subject, wish, params, actor, created_at)
        values ($1, $2, $3, $4::text::uuid, $5, $6::text::uuid, $7, $8, $9, $10)
        on conflict (key) do nothing
        returning {_COLUMNS}
        """,  # noqa: S608 - the only text put in is our own column list
        command.key,
        psp,
        livemode,
        command.client_id,
        command.kind.value,
        command.subject,
        dict(command.wish),
        dict(command.params),
        command.actor,
        now,
    )
    return _command(row) if row else None


async def find_command(connection: Connection, key: str) -> Command | None:
    """Return the command of the key."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from provider_commands where key = $1",  # noqa: S608 - our own
        key,
    )
    return _command(row) if row else None


async def list_pending(
    connection: Connection, psp: str, *, livemode: bool, before: datetime, limit: int
) -> list[Command]:
    """Return commands made before the instant of which nobody knows yet what came, oldest first."""
    rows = await connection.fetch(
        f"select {_COLUMNS} from provider_commands"  # noqa: S608 - our own column list
        " where state = 'pending' and psp = $1 and livemode = $2 and created_at < $3"
        " order by created_at limit $4",
        psp,
        livemode,
        before,
        limit,
    )
    return [_command(row) for row in rows]


async def is_overtaken(connection: Connection, command: Command) -> bool:
    """Tell whether something else was wished since, of which this would take back the effect."""
    rivals = next((kinds for kinds in _RIVALS if command.kind in kinds), ())
    return bool(
        await connection.fetchval(
            "select exists (select 1 from provider_commands where subject = $1::text::uuid"
            " and kind = any($2) and created_at > $3 and state <> 'refused'"
            " and params->>'item' is not distinct from $4)",
            command.subject,
            [kind.value for kind in rivals],
            command.created_at,
            command.params.get("item"),
        )
    )


async def settle_command(
    connection: Connection,
    key: str,
    state: CommandState,
    now: datetime,
    *,
    result: str | None = None,
    error: str | None = None,
) -> None:
    """Note what came of the command; what is settled stays as it is.

    What waited for its payment is settled when that came, or cannot come any more.
    """
    await connection.execute(
        "update provider_commands set state = $2, done_at = $3, result = $4, last_error = $5"
        " where key = $1 and (state = 'pending' or state = 'unpaid' and $2 <> 'unpaid')",
        key,
        state.value,
        now,
        result,
        error,
    )


async def note_error(connection: Connection, key: str, error: str) -> None:
    """Note why the command could not be carried out yet."""
    await connection.execute(
        "update provider_commands set last_error = $2 where key = $1 and state = 'pending'",
        key,
        error[:2000],
    )


async def reserved_minor(connection: Connection, payment_id: str) -> int:
    """Return how much of the payment refunds may give back of which nobody knows yet."""
    return int(
        await connection.fetchval(
            "select coalesce(sum((params->>'amount_minor')::bigint), 0) from provider_commands"
            " where kind = 'refund' and state = 'pending' and subject = $1::text::uuid",
            payment_id,
        )
    )


def _command(row: asyncpg.Record) -> Command:
    fields = dict(row)
    kind, state = CommandKind(fields.pop("kind")), CommandState(fields.pop("state"))
    return Command(**fields, kind=kind, state=state)
