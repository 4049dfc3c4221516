"""Clients, and the customers under which providers know them."""

from datetime import datetime
from typing import NamedTuple

from billing.storage.ids import parse_id
from billing.storage.pool import Connection


async def get_or_create_client(connection: Connection, external_id: str) -> str:
    """Return the id of the client named `external_id`, who is new if never seen before."""
    found = await connection.fetchval(
        "select id::text from clients where external_id = $1", external_id
    )
    if found is None:
        await connection.execute(
            "insert into clients (external_id) values ($1) on conflict do nothing", external_id
        )
        found = await connection.fetchval(
            "select id::text from clients where external_id = $1", external_id
        )
    return str(found)


class Admitted(NamedTuple):
    """An open client. Tokens issued before `signed_out_s`, in seconds since 1970, are refused."""

    client_id: str
    signed_out_s: float


async def admit_client(connection: Connection, external_id: str) -> Admitted | None:
    """Return the client, who is new if never seen before; None if it was closed."""
    client_id = await get_or_create_client(connection, external_id)
    row = await connection.fetchrow(
        "select id::text, coalesce(extract(epoch from signed_out_at), 0)::float8 from clients"
        " where id = $1::text::uuid and status = 'active'",
        client_id,
    )
    return Admitted(*row) if row else None


async def find_external_id(connection: Connection, client_id: str) -> str | None:
    """Return the name under which the client's own world knows it, or None."""
    known = parse_id(client_id)
    if known is None:
        return None
    name: str | None = await connection.fetchval(
        "select external_id from clients where id = $1", known
    )
    return name


async def is_active(connection: Connection, client_id: str) -> bool:
    """Tell whether there is such a client, who is not closed."""
    return bool(
        await connection.fetchval(
            "select exists (select from clients where id = $1 and status = 'active')",
            parse_id(client_id),
        )
    )


async def lock_client(connection: Connection, client_id: str) -> None:
    """Let nobody else derive the client's grants until the transaction ends.

    Taken before the client's facts are read, so that of two who changed different facts
    the later one sees what the earlier one wrote. Rows that only refer to the client
    (sessions, blocks) can still be written meanwhile.
    """
    await connection.execute(
        "select 1 from clients where id = $1::text::uuid for no key update", client_id
    )


async def find_client_by_customer(
    connection: Connection, psp: str, psp_customer_id: str, *, livemode: bool
) -> str | None:
    """Return the client who is this customer of the provider."""
    found: str | None = await connection.fetchval(
        "select client_id::text from psp_customers"
        " where psp = $1 and livemode = $2 and psp_id = $3",
        psp,
        livemode,
        psp_customer_id,
    )
    return found


async def find_customer(
    connection: Connection, psp: str, client_id: str, *, livemode: bool
) -> str | None:
    """Return a customer of the provider as which the client can pay.

    Of several (whoever buys two plans at once becomes two) the one whose payment has to be
    mended, for only its own page mends it; else one that pays for something.
    """
    found: str | None = await connection.fetchval(
        """
        select c.psp_id from psp_customers c
        left join subscriptions s on s.psp = c.psp and s.livemode = c.livemode
                                 and s.psp_customer_id = c.psp_id and s.status <> 'ended'
        where c.psp = $1 and c.livemode = $2 and c.client_id = $3::text::uuid
          and c.unlinked_at is null
        order by coalesce(s.status in ('past_due', 'unpaid', 'paused'), false) desc,
                 s.id is not null desc, c.psp_id
        limit 1
        """,
        psp,
        livemode,
        client_id,
    )
    return found


async def link_customer(
    connection: Connection, psp: str, psp_customer_id: str, client_id: str, *, livemode: bool
) -> None:
    """Note that the customer is this client; a customer once linked stays with its client."""
    await connection.execute(
        "insert into psp_customers (psp, livemode, psp_id, client_id)"
        " values ($1, $2, $3, $4::text::uuid) on conflict do nothing",
        psp,
        livemode,
        psp_customer_id,
        client_id,
    )


async def unlink_customer(
    connection: Connection,
    psp: str,
    psp_customer_id: str,
    client_id: str,
    now: datetime,
    *,
    livemode: bool,
) -> bool:
    """Note that the client cannot pay as the customer any more; tell whether that is news."""
    status = await connection.execute(
        "update psp_customers set unlinked_at = $5"
        " where psp = $1 and livemode = $2 and psp_id = $3 and client_id = $4::text::uuid"
        " and unlinked_at is null",
        psp,
        livemode,
        psp_customer_id,
        client_id,
        now,
    )
    return status != "UPDATE 0"
