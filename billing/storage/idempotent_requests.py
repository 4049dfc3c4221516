"""Requests that were made with an Idempotency-Key: claimed once, answered again for a day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from billing.storage.ids import parse_id
from billing.storage.pool import Connection

KEPT_FOR: Final = timedelta(hours=24)
"""As long as the payment provider keeps ours."""
_LEASE: Final = timedelta(seconds=60)
"""Longer than any request takes; after it, whoever had claimed the key is taken for dead."""


@dataclass(frozen=True, slots=True)
class Known:
    """A request that came before. `answer` is sealed, and None while it is under way."""

    fingerprint: bytes
    answer: bytes | None


async def claim_request(
    connection: Connection, caller: str, key: str, fingerprint: bytes, now: datetime
) -> Known | None:
    """Claim the key and return None, or return the request that has it.

    One insert decides. What is older than `KEPT_FOR` is as if it had never been; a claim of
    the same request that was left is taken over when its lease has ended.
    """
    claimed = await connection.fetchval(
        """
        insert into idempotent_requests as r (caller, key, fingerprint, claimed_at)
        values ($1, $2, $3, $4)
        on conflict (caller, key) do update
            set fingerprint = excluded.fingerprint, answer_enc = null,
                claimed_at = excluded.claimed_at
            where r.claimed_at <= $4::timestamptz - $5::interval
               or (r.answer_enc is null and r.fingerprint = excluded.fingerprint
                   and r.claimed_at <= $4::timestamptz - $6::interval)
        returning true
        """,
        caller,
        key,
        fingerprint,
        now,
        KEPT_FOR,
        _LEASE,
    )
    if claimed:
        return None
    row = await connection.fetchrow(
        "select fingerprint, answer_enc from idempotent_requests where caller = $1 and key = $2",
        caller,
        key,
    )
    # Released between the two statements: it may be claimed, by a request that comes again.
    return Known(row["fingerprint"], row["answer_enc"]) if row else Known(fingerprint, None)


async def keep_answer(
    connection: Connection,
    caller: str,
    key: str,
    claimed_at: datetime,
    answer: bytes,
    client_id: str | None,
) -> None:
    """Keep what was answered, sealed, unless the claim was taken over meanwhile.

    `client_id` is whom it tells of; of who was erased meanwhile nothing is kept.
    """
    await connection.execute(
        "update idempotent_requests set answer_enc = $4, client_id = $5"
        " where caller = $1 and key = $2 and claimed_at = $3 and not exists"
        " (select 1 from clients where id = $5 and erased_at is not null)",
        caller,
        key,
        claimed_at,
        answer,
        parse_id(client_id) if client_id is not None else None,
    )


async def forget_answers(connection: Connection, client_id: UUID) -> None:
    """Delete what was answered about the client; the same request is then a new one."""
    await connection.execute("delete from idempotent_requests where client_id = $1", client_id)


async def release_request(
    connection: Connection, caller: str, key: str, claimed_at: datetime
) -> None:
    """Free the key of a request that came to nothing, so that it can be made again."""
    await connection.execute(
        "delete from idempotent_requests"
        " where caller = $1 and key = $2 and claimed_at = $3 and answer_enc is null",
        caller,
        key,
        claimed_at,
    )
