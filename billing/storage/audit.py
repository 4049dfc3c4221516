"""One row for every change of money or access; rows are never changed or removed."""

from collections.abc import Mapping

from billing.model import Cause
from billing.storage.pool import Connection


async def write_audit(
    connection: Connection,
    action: str,
    client_id: str | None,
    cause: Cause,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Write what was done, to whom and why, in the transaction that does it."""
    await connection.execute(
        "insert into audit (actor, action, client_id, before, after, cause_inbox_id)"
        " values ($1, $2, $3::text::uuid, $4, $5, $6)",
        cause.actor,
        action,
        client_id,
        before,
        after,
        cause.inbox_id,
    )
