"""What finds and mends the differences that no event told of, joined."""

from billing.apply import Applier
from billing.ports import ProviderReader
from billing.reconcile.check import Checker
from billing.reconcile.missed import MissedEvents
from billing.reconcile.reconciler import Reconciler
from billing.reconcile.refresh import Refresher
from billing.storage.due import Account
from billing.storage.pool import Database
from billing.webhooks.inbox import Inbox
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.translate import reconcile_settings_of
from gateway.wiring.extras import Extras


def reconciler_of(
    config: Config,
    extras: Extras,
    database: Database,
    provider: ProviderReader,
    applier: Applier,
    inbox: Inbox,
) -> Reconciler:
    """Return the reconciler, which does nothing before it is run."""
    clock, meter = extras.clock, extras.meter
    return Reconciler(
        database,
        Account(provider.name, provider.livemode),
        Checker(database, applier, provider, clock, wall, meter),
        MissedEvents(database, inbox, provider, clock, wall, meter),
        clock,
        wall,
        reconcile_settings_of(config),
    )


def refresher_of(
    extras: Extras, database: Database, provider: ProviderReader, applier: Applier
) -> Refresher:
    """Return what reads a client's facts at once."""
    account = Account(provider.name, provider.livemode)
    return Refresher(database, account, applier, extras.clock)
