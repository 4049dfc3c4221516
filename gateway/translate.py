"""From the configuration file's words to each package's own settings; nothing is decided here."""

from datetime import timedelta
from ipaddress import ip_network

from billing.facts import PauseKind
from billing.model import Interval, Plan, PlanFeature
from billing.reconcile.reconciler import ReconcileSettings
from billing.webhooks.worker import WorkerSettings
from checkout_pages.ports import AppInfo, DemoMode, PageSettings
from gateway.config.app_schema import AppConfig, RouteConfig
from gateway.config.billing_schema import PlanConfig
from gateway.config.schema import Config, ProxyConfig
from gateway.errors import StartError
from policies.requirement import Access, OnUnknown, Requirement
from proxy.certificates import CertificateError, Certificates
from proxy.settings import (
    App,
    Balance,
    HealthChecks,
    ProxySettings,
    Route,
    Timeouts,
    TokenIssuer,
    UpstreamTLS,
)

# How long a visitor may take from a refused page to the end of checkout.
# No form of ours is longer.
_FORM_LIMIT_BYTES = 64 * 1024
_TARGET_TTL_S = 3600
_DEFAULT_PORTS = {"http": 80, "https": 443}


def public_origin(config: Config, host: str) -> str:
    """Return scheme, host and port under which visitors reach `host`, without a slash."""
    scheme = config.public.scheme
    port = config.public.port if config.public.port is not None else config.listen.port
    suffix = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{suffix}"


def plans_of(config: Config) -> tuple[Plan, ...]:
    """Return what is for sale, in the order of the file."""
    return tuple(_plan(plan, config.billing.past_due_grace_days) for plan in config.plans)


def features_of(config: Config) -> dict[str, frozenset[str]]:
    """Return the features of every app: what its routes ask for, and what plans give."""
    return {
        app.id: frozenset(
            {"access"}
            | {route.feature for route in app.routes}
            | {feature for plan in config.plans for feature in plan.apps.get(app.id, {})}
        )
        for app in config.apps
    }


def apps_of(config: Config) -> tuple[App, ...]:
    """Return the apps with their routes."""
    return tuple(_app(app, config.proxy) for app in config.apps)


def issuers_of(config: Config) -> tuple[TokenIssuer, ...]:
    """Return whose bearer tokens are taken."""
    return tuple(
        TokenIssuer(t.issuer, t.audience, t.algorithm, t.key.get_secret_value())
        for t in config.identity.tokens
    )


def proxy_settings_of(config: Config) -> ProxySettings:
    """Return the limits and time-outs of the request path."""
    proxy = config.proxy
    return ProxySettings(
        public_url=public_origin(config, config.public.host),
        public_host=config.public.host,
        signing_key=signing_key_of(config),
        target_ttl_s=_TARGET_TTL_S,
        negative_ttl_s=config.entitlements.negative_ttl_s,
        connect_timeout_s=proxy.connect_timeout_s,
        first_byte_timeout_s=proxy.first_byte_timeout_s,
        idle_timeout_s=proxy.idle_timeout_s,
        upstream_connections=proxy.upstream_connections,
        url_limit_bytes=proxy.url_limit_bytes,
        header_limit_bytes=proxy.header_limit_bytes,
        header_count_limit=proxy.header_count_limit,
        connections_per_address=proxy.connections_per_address,
        head_timeout_s=proxy.head_timeout_s,
        body_timeout_s=proxy.body_timeout_s,
        write_timeout_s=proxy.write_timeout_s,
        keepalive_timeout_s=proxy.keepalive_timeout_s,
        upstream_idle_s=proxy.upstream_idle_s,
        own_body_limit_bytes=max(_FORM_LIMIT_BYTES, config.billing.webhook_body_limit_bytes),
        trusted_proxies=tuple(ip_network(network) for network in proxy.trusted_proxies),
    )


def open_certificates(config: Config) -> Certificates | None:
    """Return what visitors are shown, or None where they come in clear.

    Raises:
        StartError: the files cannot be used.
    """
    tls = config.listen.tls
    if tls.certificate is None or tls.key is None:
        return None
    try:
        return Certificates(tls.certificate, tls.key)
    except CertificateError as error:
        raise StartError(f"listen.tls cannot be used: {error}") from error


def page_settings_of(config: Config, proxy: ProxySettings, demo: DemoMode | None) -> PageSettings:
    """Return what the gateway's own pages are configured with."""
    return PageSettings(
        public_url=proxy.public_url,
        public_host=proxy.public_host,
        signing_key=proxy.signing_key,
        session_cookie=proxy.session_cookie,
        flow_cookie=proxy.flow_cookie,
        session_ttl_s=config.identity.session_ttl_s,
        apps=tuple(
            AppInfo(app.id, app.name, app.description, app.host, public_origin(config, app.host))
            for app in config.apps
        ),
        demo=demo,
    )


def signing_key_of(config: Config) -> bytes:
    """Return the key that signs return targets and forms, and of which those of caches are made."""
    return config.secrets.signing_key.get_secret_value().encode()


def slack_of(config: Config) -> timedelta:
    """Return how long doors stay open past a paid period."""
    return timedelta(seconds=config.billing.slack_s)


def open_pauses_of(config: Config) -> frozenset[PauseKind]:
    """Return the pauses of a subscription that leave doors open."""
    return frozenset(PauseKind(kind) for kind in config.billing.open_while_paused)


def worker_settings_of(config: Config) -> WorkerSettings:
    """Return how the inbox worker works: at most half of the connections may wait for locks."""
    worker = config.billing.worker
    most = max(1, config.database.pool_size // 2)
    return WorkerSettings(worker.poll_s, min(worker.concurrency, most))


def reconcile_settings_of(config: Config) -> ReconcileSettings:
    """Return how much the reconciler reads, and how often."""
    reconcile = config.billing.reconcile
    return ReconcileSettings(reconcile.tick_s, reconcile.reads_per_second, reconcile.share_days)


def _plan(plan: PlanConfig, default_grace_days: int) -> Plan:
    return Plan(
        id=plan.id,
        version=plan.version,
        name=plan.name,
        description=plan.description,
        amount_minor=plan.price.amount_minor,
        currency=plan.price.currency,
        interval=Interval(plan.price.interval),
        psp_price_id=plan.stripe_price,
        grace_days=plan.grace_days if plan.grace_days is not None else default_grace_days,
        trial_days=plan.trial_days,
        max_quantity=plan.max_quantity,
        # Sorted, so that a published version compares equal however its file was ordered.
        features=tuple(
            PlanFeature(app_id, feature, value)
            for app_id, features in sorted(plan.apps.items())
            for feature, value in sorted(features.items())
        ),
    )


def _app(app: AppConfig, proxy: ProxyConfig) -> App:
    health = app.health
    return App(
        id=app.id,
        name=app.name,
        host=app.host,
        upstreams=tuple(app.upstreams),
        routes=tuple(_route(app.id, route, proxy) for route in app.routes),
        balance=Balance(app.balance),
        tls=UpstreamTLS(app.tls.ca_file, app.tls.server_name),
        failures=app.breaker.failures,
        cooldown_s=app.breaker.cooldown_s,
        health=None
        if health is None
        else HealthChecks(
            path=health.path,
            interval_s=health.interval_s,
            timeout_s=health.timeout_s,
            healthy_after=health.healthy_after,
            unhealthy_after=health.unhealthy_after,
            statuses=None if health.statuses is None else frozenset(health.statuses),
        ),
    )


def _route(app_id: str, route: RouteConfig, proxy: ProxyConfig) -> Route:
    """Return the route; what it says nothing of is as in the proxy section."""
    return Route(
        path=route.path,
        requirement=Requirement(
            app_id=app_id,
            access=Access(route.access),
            feature=route.feature,
            on_unknown=OnUnknown(route.on_unknown),
        ),
        methods=frozenset(route.methods) if route.methods else None,
        timeouts=Timeouts(
            connect_s=_or(route.connect_timeout_s, proxy.connect_timeout_s),
            first_byte_s=_or(route.first_byte_timeout_s, proxy.first_byte_timeout_s),
            idle_s=_or(route.idle_timeout_s, proxy.idle_timeout_s),
        ),
        body_limit_bytes=proxy.body_limit_bytes
        if route.body_limit_bytes is None
        else route.body_limit_bytes,
        allow_encoded_slash=route.allow_encoded_slash,
        warning_s=route.streams.warning_s,
    )


def _or(own: float | None, default: float) -> float:
    return default if own is None else own
