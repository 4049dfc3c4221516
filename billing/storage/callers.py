"""What the rights of a caller of the API rest on, besides its token."""

from billing.storage.ids import parse_id
from billing.storage.pool import Connection


async def is_credential_live(connection: Connection, credential_id: str) -> bool:
    """Tell whether there is such a credential, not disabled."""
    known = parse_id(credential_id)
    if known is None:
        return False
    found = await connection.fetchval(
        "select true from credentials where id = $1 and disabled_at is null", known
    )
    return found is True


async def find_sign_out(connection: Connection, client_id: str) -> float | None:
    """Return when the client was signed out everywhere, in seconds since 1970, or 0 for never.

    None is no such client, or a closed one.
    """
    known = parse_id(client_id)
    if known is None:
        return None
    found: float | None = await connection.fetchval(
        "select coalesce(extract(epoch from signed_out_at), 0)::float8 from clients"
        " where id = $1 and status = 'active'",
        known,
    )
    return found


async def find_open_client(connection: Connection, id_or_external_id: str) -> str | None:
    """Return the id of the client of this id, or else of this external id, if it is not closed."""
    found: str | None = await connection.fetchval(
        "select id::text from clients where status = 'active' and (id = $1 or external_id = $2)"
        " order by id = $1 desc nulls last limit 1",
        parse_id(id_or_external_id),
        id_or_external_id,
    )
    return found


async def belongs_to_app(connection: Connection, client_id: str, app_id: str) -> bool:
    """Tell whether the client is one of the app's own.

    It is if it has registered with the app, ever had a grant of it, or began a checkout of a
    plan that gives something of it.
    """
    known = parse_id(client_id)
    if known is None:
        return False
    found = await connection.fetchval(
        "select exists (select 1 from clients where id = $1 and app_id = $2)"
        " or exists (select 1 from grants where client_id = $1 and app_id = $2)"
        " or exists (select 1 from checkout_intents i join plan_features f"
        " on f.plan = i.plan and f.version = i.version"
        " where i.client_id = $1 and f.app_id = $2)",
        known,
        app_id,
    )
    return found is True
