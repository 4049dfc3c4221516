"""Money that providers took, and took back: one row for each of the provider's payments."""

from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from billing.client_facts import PaymentFact
from billing.facts import DisputeState, PaymentLine, PaymentState, ProviderPayment
from billing.storage.pool import Connection
from billing.transitions import Sighting


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment as our table tells it."""

    id: str
    client_id: str
    subscription_id: str | None
    psp_payment_id: str
    amount_minor: int
    currency: str
    state: PaymentState
    refunded_minor: int
    dispute: DisputeState
    taken_back_at: datetime | None
    lines: tuple[PaymentLine, ...]
    created_at: datetime
    paid_at: datetime | None

    def told(self) -> dict[str, object]:
        """Return what the provider says, by field, for comparing two readings."""
        return {
            "state": self.state,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "refunded_minor": self.refunded_minor,
            "dispute": self.dispute,
            "taken_back_at": self.taken_back_at,
            "paid_at": self.paid_at,
        }

    def fact(self) -> PaymentFact:
        """Return what grants are derived from."""
        return PaymentFact(
            psp_payment_id=self.psp_payment_id,
            state=self.state,
            amount_minor=self.amount_minor,
            created_at=self.created_at,
            paid_at=self.paid_at,
            taken_back_at=self.taken_back_at,
            lines=self.lines,
        )


# A payment has a few charges, each with a refund or dispute or two.
_MOST_OTHER_IDS = 100
_COLUMNS = (
    "id::text, client_id::text, subscription_id::text, psp_payment_id, amount_minor, currency,"
    " status, refunded_minor, dispute, taken_back_at, lines, created_at, paid_at"
)


async def find_payment(
    connection: Connection, psp: str, psp_payment_id: str, *, livemode: bool
) -> PaymentRow | None:
    """Return the payment as our table tells it."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from payments"  # noqa: S608 - our own column list
        " where psp = $1 and livemode = $2 and psp_payment_id = $3",
        psp,
        livemode,
        psp_payment_id,
    )
    return _payment(row) if row else None


async def find_payment_id(
    connection: Connection, psp: str, any_id: str, *, livemode: bool
) -> str | None:
    """Return the payment's own id for that id or its intent's, if we have the payment."""
    found: str | None = await connection.fetchval(
        "select psp_payment_id from payments where psp = $1 and livemode = $2"
        " and (psp_payment_id = $3 or psp_intent_id = $3) limit 1",
        psp,
        livemode,
        any_id,
    )
    return found


async def note_other_id(
    connection: Connection, psp: str, psp_payment_id: str, other_id: str, *, livemode: bool
) -> None:
    """Note that the provider says the payment when it is asked for `other_id`, a charge or so."""
    await connection.execute(
        "update payments set other_ids = array_append(other_ids, $4)"
        " where psp = $1 and livemode = $2 and psp_payment_id = $3"
        " and psp_intent_id is distinct from $4 and $4 <> all(other_ids)"
        " and cardinality(other_ids) < $5",
        psp,
        livemode,
        psp_payment_id,
        other_id,
        _MOST_OTHER_IDS,
    )


async def list_payments(
    connection: Connection, client_id: str, *, livemode: bool
) -> list[PaymentRow]:
    """Return all the client's payments."""
    rows = await connection.fetch(
        f"select {_COLUMNS} from payments"  # noqa: S608 - our own column list
        " where livemode = $1 and client_id = $2::text::uuid"
        " order by created_at, psp_payment_id",
        livemode,
        client_id,
    )
    return [_payment(row) for row in rows]


async def save_payment(
    connection: Connection,
    psp: str,
    client_id: str,
    payment: ProviderPayment,
    sighting: Sighting,
    *,
    subscription_id: str | None,
    intent_id: str | None,
) -> bool:
    """Write the payment as the provider states it now; False if a later look is there already."""
    status = await connection.execute(
        """
        insert into payments as p
            (client_id, subscription_id, intent_id, psp, livemode, psp_payment_id, psp_intent_id,
             kind, amount_minor, currency, status, refunded_minor, dispute, taken_back_at, lines,
             created_at, paid_at, observed_seq, observed_at)
        values ($1::text::uuid, $2::text::uuid, $3::text::uuid, $4, $5, $6, $7, $8, $9, $10, $11,
                $12, $13, $14, $15, $16, $17, $18, $19)
        on conflict (psp, livemode, psp_payment_id) do update set
            subscription_id = coalesce(excluded.subscription_id, p.subscription_id),
            intent_id = coalesce(excluded.intent_id, p.intent_id),
            psp_intent_id = excluded.psp_intent_id, amount_minor = excluded.amount_minor,
            currency = excluded.currency, status = excluded.status,
            refunded_minor = excluded.refunded_minor, dispute = excluded.dispute,
            taken_back_at = excluded.taken_back_at, lines = excluded.lines,
            created_at = excluded.created_at, paid_at = excluded.paid_at,
            observed_seq = excluded.observed_seq, observed_at = excluded.observed_at
        where p.observed_seq < excluded.observed_seq
        """,
        client_id,
        subscription_id,
        intent_id,
        psp,
        payment.livemode,
        payment.psp_payment_id,
        payment.psp_intent_id,
        payment.kind.value,
        payment.amount_minor,
        payment.currency,
        payment.state.value,
        payment.refunded_minor,
        payment.dispute.value,
        payment.taken_back_at,
        [_to_json(line) for line in payment.lines],
        payment.created_at,
        payment.paid_at,
        sighting.seq,
        sighting.at,
    )
    return status != "INSERT 0 0"


def _to_json(line: PaymentLine) -> list[object]:
    return [
        line.psp_item_id,
        line.psp_price_id,
        line.amount_minor,
        line.period_start.timestamp(),
        line.period_end.timestamp(),
        line.is_proration,
    ]


def _payment(row: asyncpg.Record) -> PaymentRow:
    fields = dict(row)
    lines = tuple(
        PaymentLine(
            item,
            price,
            amount_minor,
            datetime.fromtimestamp(start, UTC),
            datetime.fromtimestamp(end, UTC),
            is_proration,
        )
        for item, price, amount_minor, start, end, is_proration in fields.pop("lines")
    )
    state, dispute = PaymentState(fields.pop("status")), DisputeState(fields.pop("dispute"))
    return PaymentRow(**fields, state=state, dispute=dispute, lines=lines)
