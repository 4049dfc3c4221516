"""What the audit log says of an observation."""

from billing.facts import ProviderSubscription
from billing.model import Cause
from billing.storage import audit
from billing.storage.pool import Connection
from billing.transitions import GrantFact, Known, Observed


async def audit_observation(
    connection: Connection,
    client_id: str,
    subscription: ProviderSubscription,
    known: Known | None,
    observed: Observed,
    facts: list[GrantFact],
    cause: Cause,
) -> None:
    """Write what was seen of a subscription, in the transaction that saves it."""
    await audit.write_audit(
        connection,
        "subscription.observed",
        client_id,
        cause,
        before={"status": known.status.value} if known else None,
        after={
            "subscription": subscription.psp_sub_id,
            "status": observed.status.value,
            "raw_status": subscription.raw_status,
            "verified": observed.verified,
            "source": cause.source.value,
            "grants": told(facts),
        },
    )


def told(facts: list[GrantFact]) -> list[str]:
    """Return the grants in words."""
    return [
        f"{fact.app_id}/{fact.feature} until "
        f"{fact.until_at.isoformat() if fact.until_at else 'for ever'}"
        for fact in facts
    ]
