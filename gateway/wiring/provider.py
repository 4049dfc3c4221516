"""The payment provider of a configuration, and what turns its word into state."""

from billing.apply import Applier
from billing.catalog import Catalog
from billing.metrics import Meter
from billing.ports import Changed, Clock, ProviderReader
from billing.providers.stripe.adapter import Stripe
from billing.storage.pool import Database
from gateway.config.schema import Config
from gateway.translate import open_pauses_of, slack_of


def provider_of(config: Config, meter: Meter) -> Stripe:
    """Return the provider; it is the caller's to close."""
    stripe = config.billing.stripe
    return Stripe(
        api_url=stripe.api_url,
        secret_key=stripe.secret_key.get_secret_value(),
        webhook_secrets=tuple(secret.get_secret_value() for secret in stripe.webhook_secrets),
        livemode=stripe.livemode,
        timeout_s=stripe.timeout_s,
        retries=stripe.retries,
        site=config.public.host,
        meter=meter,
    )


def applier_of(
    config: Config,
    clock: Clock,
    database: Database,
    provider: ProviderReader,
    catalog: Catalog,
    changed: Changed,
    meter: Meter,
) -> Applier:
    """Return what reads objects again; `clock` is that by which entitlements begin and end."""
    return Applier(
        database,
        provider,
        catalog,
        clock,
        changed,
        slack_of(config),
        site=config.public.host,
        open_pauses=open_pauses_of(config),
        meter=meter,
    )
