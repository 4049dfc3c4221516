"""What keeps our rows true and what sells, joined, with the control application before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from billing.catalog import Catalog
from billing.errors import BillingError, UnavailableError
from billing.providers.stripe.adapter import Stripe
from billing.reconcile.reconciler import Reconciler
from billing.reconcile.refresh import Refresher
from billing.selling.janitor import CommandJanitor
from billing.storage.plans import publish_plans
from billing.webhooks.endpoint import Account, WebhookEndpoint
from billing.webhooks.inbox import Inbox
from billing.webhooks.processing import Processor
from billing.webhooks.worker import InboxWorker
from checkout_pages.routes import add_pages
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.control import ControlServer, create_control_app
from gateway.errors import StartError, StoreDownError
from gateway.health import Check, Health
from gateway.scrape import Scrape
from gateway.stores import Stores
from gateway.translate import (
    page_settings_of,
    plans_of,
    proxy_settings_of,
    public_origin,
    worker_settings_of,
)
from gateway.wiring.access import Access
from gateway.wiring.api import add_api
from gateway.wiring.extras import Extras
from gateway.wiring.offers import Offers, offers_of
from gateway.wiring.provider import applier_of, provider_of
from gateway.wiring.reconciling import reconciler_of, refresher_of


@dataclass(frozen=True, slots=True)
class Selling:
    """What one configuration makes of the control side."""

    provider: Stripe
    catalog: Catalog
    offers: Offers
    endpoint: WebhookEndpoint
    inbox: Inbox
    worker: InboxWorker
    reconciler: Reconciler
    janitor: CommandJanitor
    refresher: Refresher


async def selling_of(config: Config, extras: Extras, stores: Stores) -> Selling:
    """Publish the plans, and join what sells them; `provider` is the caller's to close.

    Raises:
        StoreDownError: the database does not answer.
        StartError: a plan contradicts what was published.
    """
    provider = provider_of(config, extras.meter)
    plans = plans_of(config)
    try:
        published = await publish_plans(
            stores.database, plans, psp=provider.name, livemode=provider.livemode
        )
    except BillingError as error:
        await provider.close()
        is_down = isinstance(error, UnavailableError)
        raise (StoreDownError if is_down else StartError)(str(error)) from error
    catalog = Catalog(plans, published)
    applier = applier_of(
        config,
        extras.clock,
        stores.database,
        provider,
        catalog,
        stores.reader.invalidate,
        extras.meter,
    )
    # Waits and signatures go by this machine's time, whatever the sandbox's clock says.
    inbox = Inbox(stores.database, provider.name)
    processor = Processor(
        inbox,
        applier,
        provider,
        wall,
        extras.meter,
        max_attempts=config.billing.worker.max_attempts,
    )
    worker = InboxWorker(inbox, processor, wall, worker_settings_of(config))
    endpoint = WebhookEndpoint(
        {provider.name: Account(provider, inbox, processor)},
        wall,
        extras.meter,
        default=provider.name,
        body_limit_bytes=config.billing.webhook_body_limit_bytes,
    )
    offers = offers_of(config, extras, stores, provider, catalog, applier)
    reconciler = reconciler_of(config, extras, stores.database, provider, applier, inbox)
    janitor = CommandJanitor(offers.commands)
    refresher = refresher_of(extras, stores.database, provider, applier)
    return Selling(
        provider, catalog, offers, endpoint, inbox, worker, reconciler, janitor, refresher
    )


def control_of(
    config: Config,
    extras: Extras,
    stores: Stores,
    selling: Selling,
    access: Access,
    checks: Mapping[str, Check],
    socket_path: Path,
) -> ControlServer:
    """Return the control application, not yet listening."""
    app = create_control_app()
    add_api(app, config, extras, stores, selling.catalog, selling.offers, access)
    app.add_routes(selling.endpoint.routes())
    app.add_routes(access.endpoint.routes())
    app.add_routes(Health(checks).routes())
    public_url = public_origin(config, config.public.host)
    app.add_routes(Scrape(access.guard, extras.meter, stores.database, public_url).routes())
    settings = page_settings_of(config, proxy_settings_of(config), extras.demo)
    offers = selling.offers
    add_pages(app, offers.checkout, offers.account, stores.sessions, settings, wall)
    return ControlServer(app, socket_path)
