"""What keeps our rows true and what sells, joined, with the control application before it."""

from dataclasses import dataclass
from pathlib import Path

from billing.apply import Applier
from billing.catalog import Catalog
from billing.errors import BillingError
from billing.providers.stripe.adapter import Stripe
from billing.selling.janitor import CommandJanitor
from billing.storage.plans import publish_plans
from billing.webhooks.endpoint import WebhookEndpoint
from billing.webhooks.worker import InboxWorker, WorkerSettings
from checkout_pages.routes import add_pages
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.control import ControlServer, create_control_app
from gateway.errors import StartError
from gateway.health import Health
from gateway.stores import Stores, checks_of
from gateway.translate import (
    open_pauses_of,
    page_settings_of,
    plans_of,
    proxy_settings_of,
    slack_of,
)
from gateway.wiring.access import Access
from gateway.wiring.extras import Extras
from gateway.wiring.offers import Offers, offers_of


@dataclass(frozen=True, slots=True)
class Selling:
    """What one configuration makes of the control side."""

    provider: Stripe
    offers: Offers
    endpoint: WebhookEndpoint
    worker: InboxWorker
    janitor: CommandJanitor


async def selling_of(config: Config, extras: Extras, stores: Stores) -> Selling:
    """Publish the plans, and join what sells them; `provider` is the caller's to close.

    Raises:
        StartError: a plan contradicts what was published, or the database does not answer.
    """
    provider = _provider_of(config)
    plans = plans_of(config)
    try:
        published = await publish_plans(
            stores.database, plans, psp=provider.name, livemode=provider.livemode
        )
    except BillingError as error:
        await provider.close()
        raise StartError(str(error)) from error
    catalog = Catalog(plans, published)
    applier = Applier(
        stores.database,
        provider,
        catalog,
        extras.clock,
        stores.reader.invalidate,
        slack_of(config),
        site=config.public.host,
        open_pauses=open_pauses_of(config),
    )
    # Waits and signatures go by this machine's time, whatever the sandbox's clock says.
    worker = InboxWorker(
        stores.database,
        applier,
        wall,
        WorkerSettings(config.billing.worker.poll_s, config.billing.worker.max_attempts),
        psp=provider.name,
    )
    endpoint = WebhookEndpoint(
        stores.database,
        {provider.name: provider},
        wall,
        default=provider.name,
        body_limit_bytes=config.billing.webhook_body_limit_bytes,
    )
    offers = offers_of(config, extras, stores, provider, catalog, applier)
    return Selling(provider, offers, endpoint, worker, CommandJanitor(offers.commands))


def control_of(
    config: Config,
    extras: Extras,
    stores: Stores,
    selling: Selling,
    access: Access,
    socket_path: Path,
) -> ControlServer:
    """Return the control application, not yet listening."""
    app = create_control_app()
    app.add_routes(selling.endpoint.routes())
    app.add_routes(access.endpoint.routes())
    app.add_routes(Health(checks_of(stores)).routes())
    settings = page_settings_of(config, proxy_settings_of(config), extras.demo)
    offers = selling.offers
    add_pages(app, offers.checkout, offers.account, stores.sessions, settings, wall)
    return ControlServer(app, socket_path)


def _provider_of(config: Config) -> Stripe:
    stripe = config.billing.stripe
    return Stripe(
        api_url=stripe.api_url,
        secret_key=stripe.secret_key.get_secret_value(),
        webhook_secrets=tuple(secret.get_secret_value() for secret in stripe.webhook_secrets),
        livemode=stripe.livemode,
        timeout_s=stripe.timeout_s,
        retries=stripe.retries,
        site=config.public.host,
    )
