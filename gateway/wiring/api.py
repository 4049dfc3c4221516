"""The API, joined, on the control application."""

from datetime import datetime

from aiohttp import web

from billing.api.dispatch import Api
from billing.api.idempotency import Repeats
from billing.api.openapi import Site
from billing.api.pages import DocumentPages
from billing.api.parts import Parts, bindings_of
from billing.api.places import Places
from billing.api.ports import Decided
from billing.api.wrong_turns import tell_wrong_turns
from billing.catalog import Catalog
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.stores import Stores
from gateway.translate import public_origin
from gateway.version import product_version
from gateway.wiring.access import Access
from gateway.wiring.extras import Extras
from gateway.wiring.offers import Offers
from policies.engine import decide
from policies.identity import Client
from policies.model import Snapshot
from policies.requirement import Access as RouteAccess
from policies.requirement import Requirement


def add_api(
    app: web.Application,
    config: Config,
    extras: Extras,
    stores: Stores,
    catalog: Catalog,
    offers: Offers,
    access: Access,
) -> None:
    """Mount the API, its document and the page that shows it."""
    public_url = public_origin(config, config.public.host)
    hosts = {public_origin(config, known.host): known.host for known in config.apps}
    parts = Parts(
        door=access.guard,
        seller=offers.checkout,
        payments=offers.payments,
        refunds=offers.refunds,
        changes=offers.changes,
        portal=offers.portal,
        grants=offers.grants,
        blocks=offers.blocks,
        plans=catalog,
        facts=stores.reader,
        decide=decided,
        database=stores.database,
        app_ids=tuple(known.id for known in config.apps),
        places=Places(hosts, public_url, config.public.host),
        clock=extras.clock,
        wall=wall,
        public_url=public_url,
    )
    repeats = Repeats(stores.database, stores.database.ring, wall)
    app.middlewares.append(tell_wrong_turns(public_url))
    app.add_routes(Api(access.guard, repeats, bindings_of(parts), public_url).routes())
    app.add_routes(DocumentPages(access.guard, Site(public_url, product_version())).routes())


def decided(facts: Snapshot, app_id: str, feature: str, now: datetime) -> Decided:
    """Decide as the gate does for a client who is known, and whose facts are."""
    requirement = Requirement(app_id, RouteAccess.ENTITLED, feature)
    decision = decide(requirement, Client(facts.client_id, "token"), facts, now)
    entitlement = decision.entitlement
    return Decided(
        outcome=decision.outcome.value,
        reason=decision.reason.value,
        plan=entitlement.plan if entitlement else None,
        status=entitlement.status if entitlement else None,
        features=dict(entitlement.features) if entitlement else {},
        valid_until=entitlement.valid_until if entitlement else None,
    )
