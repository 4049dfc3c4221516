"""What hosted checkouts came to: plans that were bought once, as last read from the provider."""

from dataclasses import dataclass
from datetime import datetime

from billing.facts import ProviderCheckout
from billing.model import CheckoutState
from billing.storage.pool import Connection
from billing.transitions import Sighting

# What our row calls the provider's state. A debit under way keeps the client's slot.
_STATES = {
    CheckoutState.OPEN: "open",
    CheckoutState.SETTLING: "open",
    CheckoutState.PAID: "completed",
    CheckoutState.FAILED: "failed",
    CheckoutState.EXPIRED: "expired",
}


@dataclass(frozen=True, slots=True)
class OrderRow:
    """A checkout as our table tells it; `is_order` where its plan is paid once."""

    id: str
    client_id: str
    psp_session_id: str
    plan: str
    version: int
    state: str
    psp_payment_id: str | None
    completed_at: datetime | None
    is_order: bool

    def told(self) -> dict[str, object]:
        """Return what the provider says, by field, for comparing two readings."""
        return {"state": self.state, "payment": self.psp_payment_id}


_SELECT = """
    select i.id::text, i.client_id::text, i.psp_session_id, i.plan, i.version, i.state,
           i.psp_payment_id, i.completed_at, p.interval = 'once' as is_order
    from checkout_intents i join plans p on p.id = i.plan and p.version = i.version
"""
_BY_PSP = f"{_SELECT} where i.psp = $1 and i.livemode = $2"


async def find_order(
    connection: Connection, psp: str, psp_session_id: str, *, livemode: bool
) -> OrderRow | None:
    """Return the checkout of the session."""
    row = await connection.fetchrow(
        f"{_BY_PSP} and i.psp_session_id = $3", psp, livemode, psp_session_id
    )
    return OrderRow(**dict(row)) if row else None


async def find_order_of_payment(
    connection: Connection, psp: str, psp_payment_id: str, *, livemode: bool
) -> OrderRow | None:
    """Return the checkout that the payment pays for."""
    row = await connection.fetchrow(
        f"{_BY_PSP} and i.psp_payment_id = $3 and i.psp_session_id is not null",
        psp,
        livemode,
        psp_payment_id,
    )
    return OrderRow(**dict(row)) if row else None


async def list_orders(connection: Connection, client_id: str, *, livemode: bool) -> list[OrderRow]:
    """Return the client's checkouts of plans paid once, as far as they came to something."""
    rows = await connection.fetch(
        f"{_SELECT} where i.livemode = $1 and i.client_id = $2::text::uuid"
        " and i.psp_session_id is not null and p.interval = 'once'"
        " and (i.completed_at is not null or i.psp_payment_id is not null)"
        " order by i.psp_session_id",
        livemode,
        client_id,
    )
    return [OrderRow(**dict(row)) for row in rows]


async def save_order(
    connection: Connection, psp: str, checkout: ProviderCheckout, sighting: Sighting
) -> bool:
    """Write what the checkout came to; False if a later look is there already.

    A completed checkout stays completed: money that came is not undone by a late look, and
    what became of it later is told by its payment.
    """
    status = await connection.execute(
        """
        update checkout_intents set
            state = case when state = 'completed' or $4::text = 'open' then state else $4 end,
            psp_payment_id = coalesce($5, psp_payment_id),
            psp_sub_id = coalesce($8, psp_sub_id),
            completed_at = coalesce(completed_at,
                                    case when $4 = 'completed' then $6::timestamptz end),
            observed_seq = $7, observed_at = $6
        where psp = $1 and livemode = $2 and psp_session_id = $3 and observed_seq < $7
        """,
        psp,
        checkout.livemode,
        checkout.psp_session_id,
        _STATES[checkout.state],
        checkout.psp_payment_id,
        sighting.at,
        sighting.seq,
        checkout.psp_sub_id,
    )
    return status != "UPDATE 0"
