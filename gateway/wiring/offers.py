"""What clients, apps and operators may do with money and access, joined."""

from dataclasses import dataclass

from billing.apply import Applier
from billing.catalog import Catalog
from billing.ports import Provider
from billing.selling.access import AccessByHand
from billing.selling.account import Account
from billing.selling.blocks import Blocks
from billing.selling.changes import Changes
from billing.selling.checkout import Checkout, CheckoutUrls
from billing.selling.commands import Commands
from billing.selling.grants import ManualGrants
from billing.selling.payments import Payments
from billing.selling.portal import Portal
from billing.selling.refunds import Refunds
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.stores import Stores
from gateway.translate import features_of, proxy_settings_of
from gateway.wiring.extras import Extras


@dataclass(frozen=True, slots=True)
class Offers:
    """What one configuration lets be asked for."""

    checkout: Checkout
    account: Account
    changes: Changes
    payments: Payments
    refunds: Refunds
    portal: Portal
    grants: ManualGrants
    blocks: Blocks
    commands: Commands


def offers_of(
    config: Config,
    extras: Extras,
    stores: Stores,
    provider: Provider,
    catalog: Catalog,
    applier: Applier,
) -> Offers:
    """Join what sells, changes and gives back."""
    database, clock = stores.database, extras.clock
    public_url = proxy_settings_of(config).public_url
    urls = CheckoutUrls(
        success=f"{public_url}/checkout/return?session_id={{CHECKOUT_SESSION_ID}}",
        cancel=f"{public_url}/checkout/cancelled?checkout={{intent}}",
    )
    # A provider's idempotency keys age by the machine's time, whatever the sandbox's clock says.
    commands = Commands(
        database,
        provider,
        applier,
        wall,
        psp=provider.name,
        livemode=provider.livemode,
        meter=extras.meter,
    )
    changes, portal = Changes(database, catalog, commands), Portal(database, provider)
    access = AccessByHand(database, features_of(config), stores.reader.invalidate)
    return Offers(
        checkout=Checkout(database, provider, catalog, applier, clock, urls),
        account=Account(database, changes, portal, clock, f"{public_url}/account"),
        changes=changes,
        payments=Payments(database),
        refunds=Refunds(database, applier, commands),
        portal=portal,
        grants=ManualGrants(database, access, clock),
        blocks=Blocks(database, access, clock),
        commands=commands,
    )
