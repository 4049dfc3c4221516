"""What our tables say of one client, and what the audit log says that they say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.support.provider_money import Paid
from tests.support.provider_truth import Held

_SETTLED = {"paid", "void", "uncollectible"}
# What the audit log tells of a row, by the kind of thing that it names.
_SUBSCRIPTION = (
    "status",
    "raw_status",
    "verified",
    "pause",
    "started_at",
    "trial_end",
    "cancel_at",
    "ended_at",
)
_PAYMENT = (
    "state",
    "amount_minor",
    "currency",
    "refunded_minor",
    "dispute",
    "taken_back_at",
    "paid_at",
)
_KINDS = ("subscription", "payment", "grant")


@dataclass(frozen=True, slots=True)
class OurRows:
    """Our rows in the words of `ProviderTruth`; `open` has (item or session, app) by now."""

    subscriptions: Mapping[str, Held]
    payments: Mapping[str, Paid]
    open: set[tuple[str, str]]


async def read_rows(connection: Any, client_id: str, now: datetime) -> OurRows:
    """Read what is compared with the provider's own objects."""
    items: dict[str, set[tuple[str, str, int, int]]] = {}
    for row in await connection.fetch(
        "select s.psp_sub_id, i.psp_item_id, i.psp_price_id, i.quantity, i.period_end"
        " from subscription_items i join subscriptions s on s.id = i.subscription_id"
    ):
        end_s = int(row["period_end"].timestamp())
        items.setdefault(row["psp_sub_id"], set()).add(
            (row["psp_item_id"], row["psp_price_id"], row["quantity"], end_s)
        )
    held = await connection.fetch(
        "select psp_sub_id, raw_status from subscriptions where client_id = $1::text::uuid",
        client_id,
    )
    paid = await connection.fetch(
        "select psp_payment_id, status, refunded_minor, taken_back_at is not null as is_back"
        " from payments where client_id = $1::text::uuid",
        client_id,
    )
    granted = await connection.fetch(
        "select source_id, app_id from grants where client_id = $1::text::uuid"
        " and from_at <= $2 and revoked_at is null and (until_at is null or until_at > $2)",
        client_id,
        now,
    )
    return OurRows(
        subscriptions={
            row["psp_sub_id"]: (row["raw_status"], frozenset(items.get(row["psp_sub_id"], ())))
            for row in held
        },
        payments={
            row["psp_payment_id"]: Paid(
                row["status"] if row["status"] in _SETTLED else "unpaid",
                row["refunded_minor"],
                row["is_back"],
            )
            for row in paid
        },
        open={(row["source_id"], row["app_id"]) for row in granted},
    )


async def told_by_rows(connection: Any, client_id: str) -> dict[str, str]:
    """Return every field that the audit log should have told last, from the rows themselves."""
    told: dict[str, object] = {}
    for row in await connection.fetch(
        "select s.*, (select jsonb_object_agg(psp_item_id, jsonb_build_array(quantity,"
        " psp_price_id, plan, period_start, period_end)) from subscription_items"
        " where subscription_id = s.id) as items"
        " from subscriptions s where client_id = $1::text::uuid",
        client_id,
    ):
        name = f"subscription {row['psp_sub_id']}"
        told |= {f"{name} {field}": row[field] for field in _SUBSCRIPTION}
        for item, (quantity, price, plan, start, end) in (row["items"] or {}).items():
            told[f"{name} item {item}"] = f"{quantity} of {price} ({plan}), {start} to {end}"
    for row in await connection.fetch(
        "select *, status as state from payments where client_id = $1::text::uuid", client_id
    ):
        told |= {f"payment {row['psp_payment_id']} {field}": row[field] for field in _PAYMENT}
    for row in await connection.fetch(
        "select * from grants where client_id = $1::text::uuid and revoked_at is null", client_id
    ):
        name = f"grant {row['app_id']}/{row['feature']} of {row['source_id']}"
        told |= {
            f"{name} value": row["value"],
            f"{name} plan": f"{row['plan']} {row['version']}",
            f"{name} quantity": row["quantity"],
            f"{name} status": row["status"],
            f"{name} until_at": row["until_at"] or "for ever",
        }
    return {field: _in_words(value) for field, value in told.items() if value is not None}


async def told_by_audit(connection: Any, client_id: str) -> dict[str, str]:
    """Return what the audit log told last of each field.

    Each row has to go on where the one before it about the same field had ended.
    """
    told: dict[str, str] = {}
    for row in await connection.fetch(
        "select before, after from audit where client_id = $1::text::uuid order by seq", client_id
    ):
        before, after = dict(_fields(row["before"])), dict(_fields(row["after"]))
        for field in before.keys() | after.keys():
            assert told.get(field) == before.get(field), (field, told.get(field), row)
        for field in before.keys() - after.keys():
            del told[field]
        told |= after
    return told


def _fields(told: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield what is said of a row; a wish, a checkout or an overlap is none that is compared."""
    for field, value in (told or {}).items():
        if field.split()[0] in _KINDS and " " in field:
            yield field, value


def _in_words(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
