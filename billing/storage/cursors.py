"""Which process reconciles, and how far a provider's list of events was read.

A lease and no advisory lock: that would keep one of the pool's connections for a whole
tick, of which most are spent waiting.
"""

from datetime import datetime
from uuid import UUID

from billing.storage.due import Account
from billing.storage.pool import Connection


async def take_lease(
    connection: Connection, account: Account, token: UUID, now: datetime, until: datetime
) -> bool:
    """Take the reconciler's lease, unless another one has it."""
    return bool(
        await connection.fetchval(
            "insert into reconcilers as r (psp, livemode, lease, leased_until)"
            " values ($1, $2, $3, $5)"
            " on conflict (psp, livemode) do update"
            " set lease = excluded.lease, leased_until = excluded.leased_until"
            " where r.leased_until <= $4 or r.lease = $3 returning true",
            account.psp,
            account.livemode,
            token,
            now,
            until,
        )
    )


async def leave_lease(connection: Connection, account: Account, token: UUID, now: datetime) -> None:
    """Let others reconcile."""
    await connection.execute(
        "update reconcilers set leased_until = $4 where psp = $1 and livemode = $2 and lease = $3",
        account.psp,
        account.livemode,
        token,
        now,
    )


async def find_cursor(connection: Connection, account: Account) -> str | None:
    """Return the last event of the list that was looked at."""
    cursor: str | None = await connection.fetchval(
        "select cursor from reconcilers where psp = $1 and livemode = $2",
        account.psp,
        account.livemode,
    )
    return cursor


async def move_cursor(connection: Connection, account: Account, cursor: str | None) -> None:
    """Note the last event of the list that was looked at; its reconciler has the lease."""
    await connection.execute(
        "update reconcilers set cursor = $3 where psp = $1 and livemode = $2",
        account.psp,
        account.livemode,
        cursor,
    )
