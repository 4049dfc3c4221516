"""All that the API is made of, joined to what carries each line of the table out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from billing.api.call import Binding
from billing.api.places import Places
from billing.api.ports import (
    Blocks,
    Changes,
    Decide,
    Door,
    Facts,
    Grants,
    Payments,
    Plans,
    Portal,
    Refunds,
    Seller,
)
from billing.api.resources.clients import ClientCalls
from billing.api.resources.entitlements import EntitlementCalls
from billing.api.resources.grants import GrantCalls
from billing.api.resources.operators import OperatorCalls
from billing.api.resources.payments import Checkouts, PaymentCalls
from billing.api.resources.plans import PlanCalls
from billing.api.resources.subscriptions import SubscriptionCalls
from billing.ports import Clock
from billing.storage.pool import Database


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API needs.

    `clock` is that by which entitlements begin and end, `wall` the machine's.
    """

    door: Door
    seller: Seller
    payments: Payments
    refunds: Refunds
    changes: Changes
    portal: Portal
    grants: Grants
    blocks: Blocks
    plans: Plans
    facts: Facts
    decide: Decide
    database: Database
    app_ids: Sequence[str]
    places: Places
    clock: Clock
    wall: Clock
    public_url: str


def bindings_of(parts: Parts) -> Mapping[str, Binding]:
    """Return what carries each operation out, by its id."""
    database, plans, url = parts.database, parts.plans, parts.public_url
    checkouts = Checkouts(parts.seller, parts.payments, parts.portal, database, parts.places)
    return {
        **PaymentCalls(checkouts, parts.payments, parts.refunds, plans, url).bindings(),
        **SubscriptionCalls(checkouts, parts.changes, database, plans).bindings(),
        **ClientCalls(database, parts.portal, parts.door, parts.places, parts.wall, url).bindings(),
        **PlanCalls(plans).bindings(),
        **EntitlementCalls(
            parts.facts, parts.decide, database, parts.app_ids, parts.clock
        ).bindings(),
        **GrantCalls(parts.grants, parts.blocks, database).bindings(),
        **OperatorCalls(database, parts.wall, url).bindings(),
    }
