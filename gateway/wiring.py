"""Joins the packages: each port of one is filled with a part of another, here and only here."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from billing.apply import Applier
from billing.catalog import Catalog
from billing.checkout import Checkout, CheckoutUrls
from billing.entitlements.invalidation import Listener
from billing.errors import BillingError
from billing.ports import Clock
from billing.providers.stripe import Stripe
from billing.storage import grants
from billing.storage import sessions as session_rows
from billing.storage.plans import publish_plans
from billing.webhooks import inbox
from billing.webhooks.endpoint import WebhookEndpoint
from billing.webhooks.worker import InboxWorker, WorkerSettings
from checkout_pages.ports import DemoMode
from checkout_pages.routes import add_pages
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.control import ControlServer, create_control_app
from gateway.errors import StartError
from gateway.health import Health
from gateway.observability import log_lines
from gateway.sessions import ClientDirectory
from gateway.stores import Stores, checks_of, open_stores
from gateway.translate import (
    apps_of,
    issuers_of,
    page_settings_of,
    plans_of,
    proxy_settings_of,
    slack_of,
)
from proxy.access_log import AccessLog
from proxy.deadlines import Deadlines
from proxy.gate import Gate
from proxy.identity import Identifier
from proxy.routing import RouteTable
from proxy.server import ProxyServer
from proxy.tokens import TokenVerifier
from proxy.upstreams.upstream import control_upstream, upstream_of

# How often time-outs of connections are looked at, in seconds.
_SWEEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Extras:
    """What demo mode changes; nothing of it exists in `tollway serve`.

    `clock` is the time by which entitlements begin and end.
    """

    clock: Clock = field(default=wall)
    demo: DemoMode | None = None


@dataclass(frozen=True, slots=True)
class Billing:
    """What sells, and what keeps our rows true."""

    provider: Stripe
    checkout: Checkout
    endpoint: WebhookEndpoint
    worker: InboxWorker


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything, joined and not yet listening."""

    server: ProxyServer
    control: ControlServer
    worker: InboxWorker
    listener: Listener
    stores: Stores


@asynccontextmanager
async def open_gateway(
    config: Config, control_socket: Path, extras: Extras
) -> AsyncIterator[Gateway]:
    """Connect to the stores, bring the schema and the plans up to date, and join all parts.

    Raises:
        StartError: a store does not answer, or contradicts the configuration.
    """
    async with AsyncExitStack() as stack:
        stores = await open_stores(config, extras.clock, stack)
        billing = await _open_billing(config, extras, stores, stack)
        control = _create_control(config, extras, stores, billing, control_socket)
        server = _create_server(config, extras, stores, control_socket, stack)
        listener = _create_listener(config, stores, billing.worker)
        yield Gateway(server, control, billing.worker, listener, stores)


async def _open_billing(
    config: Config, extras: Extras, stores: Stores, stack: AsyncExitStack
) -> Billing:
    stripe = config.billing.stripe
    provider = Stripe(
        api_url=stripe.api_url,
        secret_key=stripe.secret_key.get_secret_value(),
        webhook_secrets=tuple(secret.get_secret_value() for secret in stripe.webhook_secrets),
        livemode=stripe.livemode,
        timeout_s=stripe.timeout_s,
        retries=stripe.retries,
    )
    stack.push_async_callback(provider.close)
    plans = plans_of(config)
    try:
        published = await publish_plans(
            stores.database, plans, psp=provider.name, livemode=provider.livemode
        )
    except BillingError as error:
        raise StartError(str(error)) from error
    catalog = Catalog(plans, published)
    applier = Applier(
        stores.database,
        provider,
        catalog,
        extras.clock,
        stores.reader.invalidate,
        slack_of(config),
    )
    public_url = proxy_settings_of(config).public_url
    urls = CheckoutUrls(
        success=f"{public_url}/checkout/return?session_id={{CHECKOUT_SESSION_ID}}",
        cancel=f"{public_url}/checkout/cancelled?checkout={{intent}}",
    )
    # Waits and signatures go by this machine's time, whatever the sandbox's clock says.
    worker = InboxWorker(
        stores.database,
        applier,
        wall,
        WorkerSettings(config.billing.worker.poll_s, config.billing.worker.max_attempts),
        psp=provider.name,
    )
    return Billing(
        provider,
        Checkout(stores.database, provider, catalog, applier, extras.clock, urls),
        WebhookEndpoint(
            stores.database,
            {provider.name: provider},
            wall,
            default=provider.name,
            body_limit_bytes=config.billing.webhook_body_limit_bytes,
        ),
        worker,
    )


def _create_control(
    config: Config, extras: Extras, stores: Stores, billing: Billing, socket_path: Path
) -> ControlServer:
    app = create_control_app()
    app.add_routes(billing.endpoint.routes())
    app.add_routes(Health(checks_of(stores)).routes())
    settings = page_settings_of(config, proxy_settings_of(config), extras.demo)
    add_pages(app, billing.checkout, stores.sessions, settings, wall)
    return ControlServer(app, socket_path)


def _create_server(
    config: Config, extras: Extras, stores: Stores, socket_path: Path, stack: AsyncExitStack
) -> ProxyServer:
    settings = proxy_settings_of(config)
    apps = apps_of(config)
    table = RouteTable(apps)
    deadlines = Deadlines(_SWEEP_S)
    deadlines.start()
    stack.callback(deadlines.stop)
    upstreams = {app.id: upstream_of(app, settings, deadlines) for app in apps}
    control = control_upstream(str(socket_path), settings, deadlines)
    for upstream in (*upstreams.values(), control):
        stack.callback(upstream.close)
    identifier = Identifier(
        stores.sessions,
        ClientDirectory(stores.database),
        TokenVerifier(issuers_of(config), time.time),
        settings.session_cookie,
    )
    log = AccessLog(log_lines)
    stack.callback(log.close)
    gate = Gate(
        settings,
        table,
        identifier,
        stores.reader,
        upstreams,
        control,
        clock=extras.clock,
        wall=wall,
        log=log,
    )
    return ProxyServer(gate, settings, deadlines, drain_s=config.proxy.drain_s)


def _create_listener(config: Config, stores: Stores, worker: InboxWorker) -> Listener:
    async def on_entitlement(payload: str) -> None:
        client_id, _, version = payload.partition(":")
        await stores.reader.invalidate(client_id, int(version))

    async def on_inbox(_payload: str) -> None:
        worker.wake()

    def on_gap() -> None:
        stores.reader.forget_freshness()
        stores.sessions.forget_freshness()
        worker.wake()

    return Listener(
        config.database.url.get_secret_value(),
        {
            grants.CHANNEL: on_entitlement,
            inbox.CHANNEL: on_inbox,
            session_rows.CHANNEL: stores.sessions.forget,
        },
        on_gap,
    )
