"""How a client ends: signed out everywhere, closed, and erased.

An erased client stays as a row without a person, since what was paid has to be accounted for.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from billing.errors import NotPossibleError
from billing.model import Cause
from billing.storage.audit import write_audit
from billing.storage.checkouts import fail_unopened, forget_returns, has_open_page
from billing.storage.client_records import Client, get_client, known_id
from billing.storage.clients import lock_client
from billing.storage.idempotent_requests import forget_answers
from billing.storage.pool import Connection
from billing.storage.sessions import revoke_sessions_of
from policies.model import SubscriptionStatus

CHANNEL: Final = "tollway_client"
"""Notices of clients that were closed or signed out; the payload is the client's id."""


async def close_client(
    connection: Connection, client_id: str, cause: Cause, now: datetime
) -> Client:
    """Let the client in nowhere any more; what is paid is not touched. On repeat nothing changes.

    Raises:
        NoSuchClientError: there is none of this id.
    """
    if await _close(connection, client_id, now):
        await write_audit(connection, "client.closed", client_id, cause)
    return await get_client(connection, client_id)


async def sign_out_client(
    connection: Connection, client_id: str, cause: Cause, now: datetime
) -> Client:
    """End the client's sessions, and refuse every token that was issued until now.

    Raises:
        NoSuchClientError: there is none of this id.
    """
    client = await get_client(connection, client_id)
    await connection.execute(
        # By no clock that runs ahead in a demo: issuers' clocks do not.
        "update clients set signed_out_at = greatest(signed_out_at, clock_timestamp())"
        " where id = $1",
        known_id(client_id),
    )
    await revoke_sessions_of(connection, client_id, now)
    await connection.execute("select pg_notify($1, $2)", CHANNEL, client_id)
    await write_audit(connection, "client.signed_out", client_id, cause)
    return client


async def erase_client(
    connection: Connection, client_id: str, cause: Cause, now: datetime
) -> Client:
    """Close the client and erase what is personal; money and grants stay, without a person.

    Name, e-mail, external id, the provider's answers, the bodies of its events, answers kept for
    a repeat and the pages to return to go. A client who comes again under the old external id is
    a new one. On repeat nothing changes.

    Raises:
        NoSuchClientError: there is none of this id.
        NotPossibleError: it has a live subscription, or a page where it may begin one: it would
            pay on for what it is not let into.
    """
    # Whoever applies a payment takes this lock too: a subscription is either seen, or comes later.
    await lock_client(connection, str(known_id(client_id)))
    if await _pays_on(connection, known_id(client_id)):
        raise NotPossibleError(
            "The client has a live subscription, and would pay on. End that first, at once"
            " (`DELETE /subscriptions/{id}?at_period_end=false`, or at the provider)."
        )
    if await has_open_page(connection, known_id(client_id)):
        raise NotPossibleError(
            "The client can still pay on a checkout page that is open. It is closed within a day,"
            " if it is not paid."
        )
    await _close(connection, client_id, now)
    await _erase_provider_texts(connection, known_id(client_id))
    await forget_answers(connection, known_id(client_id))
    await fail_unopened(connection, known_id(client_id))
    await forget_returns(connection, known_id(client_id))
    erased = await connection.execute(
        "update clients set name_enc = null, email_enc = null, email_index = null,"
        # An id that can be foreseen could be taken before, and would keep the person here.
        " external_id = 'erased:' || gen_random_uuid(), erased_at = $2"
        " where id = $1 and erased_at is null",
        known_id(client_id),
        now,
    )
    if erased == "UPDATE 1":
        await write_audit(connection, "client.erased", client_id, cause)
    return await get_client(connection, client_id)


async def _close(connection: Connection, client_id: str, now: datetime) -> bool:
    """Close the client and tell every process; False if there is nothing to close."""
    closed = await connection.execute(
        "update clients set status = 'closed', closed_at = $2 where id = $1 and status = 'active'",
        known_id(client_id),
        now,
    )
    if closed != "UPDATE 1":
        return False
    await revoke_sessions_of(connection, client_id, now)
    await connection.execute("select pg_notify($1, $2)", CHANNEL, client_id)
    return True


async def _pays_on(connection: Connection, client_id: UUID) -> bool:
    return bool(
        await connection.fetchval(
            "select exists (select from subscriptions where client_id = $1 and status <> $2)",
            client_id,
            SubscriptionStatus.ENDED.value,
        )
    )


async def _erase_provider_texts(connection: Connection, client_id: UUID) -> None:
    await connection.execute(
        "update subscriptions set raw_enc = null where client_id = $1", client_id
    )
    await connection.execute(
        "with theirs as (select id, twin from psp_inbox where split_part(object_ref, ':', 2) = any("
        " select psp_sub_id from subscriptions where client_id = $1"
        " union select psp_session_id from checkout_intents where client_id = $1"
        " union select psp_payment_id from payments where client_id = $1"
        " union select unnest(psp_intent_id || other_ids) from payments where client_id = $1"
        " union select psp_id from psp_customers where client_id = $1))"
        " update psp_inbox set body = '' where id in (select id from theirs)"
        " or external_id in (select twin from theirs)",
        client_id,
    )
