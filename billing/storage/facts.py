"""All facts of one client, as its grants are derived from them."""

from collections import defaultdict

from billing.client_facts import ClientFacts, OrderFact, PaymentFact, SubscriptionFact
from billing.storage import orders, payments, subscriptions
from billing.storage.pool import Connection


async def read_facts(connection: Connection, client_id: str, *, livemode: bool) -> ClientFacts:
    """Return what every provider said of the client; take `lock_client` before."""
    held = await subscriptions.list_rows(connection, client_id, livemode=livemode)
    bought = await orders.list_orders(connection, client_id, livemode=livemode)
    by_id: dict[str, PaymentFact] = {}
    by_subscription: dict[str, list[PaymentFact]] = defaultdict(list)
    for row in await payments.list_payments(connection, client_id, livemode=livemode):
        by_id[row.psp_payment_id] = row.fact()
        if row.subscription_id is not None:
            by_subscription[row.subscription_id].append(row.fact())
    return ClientFacts(
        subscriptions=tuple(
            SubscriptionFact(
                psp_sub_id=row.psp_sub_id,
                status=row.status,
                from_at=row.started_at,
                trial_end=row.trial_end,
                cancel_at=row.cancel_at,
                ended_at=row.ended_at,
                closed_at=row.closed_at,
                past_due_since=row.past_due_since,
                psp_payment_id=row.psp_payment_id,
                items=row.items,
                payments=tuple(by_subscription[row.id]),
                pause=row.pause,
            )
            for row in held
        ),
        orders=tuple(
            OrderFact(
                psp_session_id=row.psp_session_id,
                plan=row.plan,
                version=row.version,
                quantity=1,
                completed_at=row.completed_at,
                psp_payment_id=row.psp_payment_id,
                payment=by_id.get(row.psp_payment_id or ""),
            )
            for row in bought
        ),
    )
