"""Money that providers took: one row for each of the provider's payments."""

from billing.facts import ProviderPayment
from billing.storage.pool import Connection


async def save_payment(
    connection: Connection,
    client_id: str,
    payment: ProviderPayment,
    psp: str,
    *,
    livemode: bool,
    subscription_id: str | None = None,
    intent_id: str | None = None,
) -> None:
    """Write the payment as the provider states it now."""
    await connection.execute(
        """
        insert into payments (client_id, subscription_id, intent_id, psp, livemode, psp_payment_id,
                              kind, amount_minor, currency, status, created_at)
        values ($1::text::uuid, $2::text::uuid, $3::text::uuid, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict (psp, livemode, psp_payment_id) do update set
            status = excluded.status, amount_minor = excluded.amount_minor,
            subscription_id = coalesce(excluded.subscription_id, payments.subscription_id),
            intent_id = coalesce(excluded.intent_id, payments.intent_id)
        """,
        client_id,
        subscription_id,
        intent_id,
        psp,
        livemode,
        payment.psp_payment_id,
        payment.kind.value,
        payment.amount_minor,
        payment.currency,
        payment.state.value,
        payment.created_at,
    )
