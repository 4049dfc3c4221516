"""All that billing knows of a client, without what differs between two runs of the same."""

from dataclasses import dataclass

from billing.storage.pool import Database


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows as text, sorted; `audit` in the order in which it was written."""

    subscriptions: tuple[str, ...]
    items: tuple[str, ...]
    payments: tuple[str, ...]
    grants: tuple[str, ...]
    audit: tuple[str, ...]
    version: int


async def picture_of(database: Database, client_id: str) -> Picture:
    """Read it. Ids that contain the client's own are cut down, so that clients compare."""
    async with database.connection() as connection:

        async def texts(query: str) -> tuple[str, ...]:
            rows = await connection.fetch(query, client_id)
            return tuple(str(row[0]) for row in rows)

        return Picture(
            subscriptions=await texts(
                "select concat_ws(' ', status, raw_status, verified) from subscriptions"
                " where client_id = $1::text::uuid order by 1"
            ),
            items=await texts(
                "select concat_ws(' ', plan, version, quantity, period_end)"
                " from subscription_items i join subscriptions s on s.id = i.subscription_id"
                " where s.client_id = $1::text::uuid order by 1"
            ),
            payments=await texts(
                "select concat_ws(' ', kind, status, amount_minor, refunded_minor, dispute)"
                " from payments where client_id = $1::text::uuid order by 1"
            ),
            grants=await texts(
                "select concat_ws(' ', app_id, feature, source, status, until_at,"
                " revoked_at is null) from grants where client_id = $1::text::uuid order by 1"
            ),
            audit=await texts(
                "select action from audit where client_id = $1::text::uuid order by seq"
            ),
            version=int(
                await connection.fetchval(
                    "select coalesce((select version from entitlement_versions"
                    " where client_id = $1::text::uuid), 0)",
                    client_id,
                )
            ),
        )
