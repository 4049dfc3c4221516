"""All that there is about a client, as an operator looks at it."""

from dataclasses import dataclass
from typing import Any

from billing.storage.audit import AuditRow, list_audit
from billing.storage.client_records import (
    Client,
    find_by_email,
    find_by_external_id,
    get_client,
)
from billing.storage.ids import parse_id
from billing.storage.pool import Connection

_Row = dict[str, Any]  # columns of any type, to be shown

# Of each kind, the newest; whoever wants more asks the table.
_MOST = 20


@dataclass(frozen=True, slots=True)
class Overview:
    """A client with the newest rows of each kind about it."""

    client: Client
    subscriptions: tuple[_Row, ...]
    grants: tuple[_Row, ...]
    blocks: tuple[_Row, ...]
    payments: tuple[_Row, ...]
    audit: tuple[AuditRow, ...]


async def find_clients(connection: Connection, text: str) -> list[Client]:
    """Return whom the text names: by id, by external id, or else by e-mail, which may be several.

    Raises:
        NoSuchClientError: it is an id, and nobody's.
        InvalidClientError: it is an e-mail, and none that can be.
    """
    if parse_id(text) is not None:
        return [await get_client(connection, text)]
    found = await find_by_external_id(connection, text)
    if found is not None:
        return [found]
    return await find_by_email(connection, text) if "@" in text else []


async def get_overview(connection: Connection, client: Client) -> Overview:
    """Return what there is about the client."""

    async def rows(query: str) -> tuple[_Row, ...]:
        found = await connection.fetch(query, parse_id(client.id), _MOST)
        return tuple(dict(row) for row in found)

    return Overview(
        client,
        subscriptions=await rows(
            "select s.psp, s.psp_sub_id as id, s.status, s.started_at, s.cancel_at, s.ended_at,"
            " (select coalesce(array_agg(distinct i.plan), '{}') from subscription_items i"
            " where i.subscription_id = s.id and i.plan is not null) as plans"
            " from subscriptions s where s.client_id = $1 order by s.started_at desc limit $2"
        ),
        grants=await rows(
            "select app_id, feature, value, source, plan, from_at, until_at, revoked_at, reason"
            " from grants where client_id = $1 order by from_at desc, app_id, feature limit $2"
        ),
        blocks=await rows(
            "select app_id, service, from_at, until_at, reason"
            " from blocks where client_id = $1 order by from_at desc limit $2"
        ),
        payments=await rows(
            "select psp_payment_id as id, kind, amount_minor, currency, status, refunded_minor,"
            " created_at from payments where client_id = $1 order by created_at desc limit $2"
        ),
        audit=tuple(await list_audit(connection, client_id=client.id, limit=_MOST)),
    )
