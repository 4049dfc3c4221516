"""Billing on a real database, with a provider in memory."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from billing.apply import Applier
from billing.catalog import Catalog
from billing.entitlements.memory import MemoryStore
from billing.entitlements.reader import EntitlementReader
from billing.entitlements.shared import NoSharedStore
from billing.facts import parse_ref
from billing.metrics import NoMeter
from billing.model import Cause, Hosted, Interval, Plan, Source
from billing.result import Result
from billing.selling.account import Account
from billing.selling.changes import Changes
from billing.selling.checkout import Checkout, CheckoutUrls
from billing.selling.commands import Commands
from billing.selling.payments import Payments
from billing.selling.portal import Portal
from billing.selling.refunds import Refunds
from billing.storage.clients import get_or_create_client
from billing.storage.plans import publish_plans
from billing.storage.pool import Database
from billing.webhooks.inbox import Inbox
from billing.webhooks.processing import Processor
from billing.webhooks.worker import InboxWorker, WorkerSettings
from policies.decision import Outcome
from policies.engine import decide
from policies.identity import Client
from policies.requirement import Access, Requirement
from tests.support.clock import FakeClock
from tests.support.inbox import HeldProvider
from tests.support.meter import Tally
from tests.support.plans import make_plan


@dataclass
class Shop:
    """Everything that sells, and the client who buys."""

    database: Database
    provider: HeldProvider
    catalog: Catalog
    applier: Applier
    checkout: Checkout
    account: Account
    changes: Changes
    commands: Commands
    payments: Payments
    refunds: Refunds
    reader: EntitlementReader
    clock: FakeClock
    client_id: str
    inbox: Inbox
    processor: Processor
    meter: Tally

    async def open_checkout(self, plan: str = "reader") -> str:
        """Begin a checkout and return the provider's session id."""
        hosted = await self.checkout.begin(
            self.client_id, plan, return_host="notes.localhost", return_to="/page?x=1"
        )
        assert isinstance(hosted, Hosted)
        return hosted.url.rsplit("/", 1)[1]

    async def buy(self, plan: str = "reader") -> str:
        """Buy a plan, return included, and give the provider's session id."""
        session_id = await self.open_checkout(plan)
        self.provider.pay(session_id)
        await self.checkout.finish(session_id)
        return session_id

    async def see(
        self, ref: str, source: Source = Source.WEBHOOK, *, dry_run: bool = False
    ) -> Result:
        """Apply the object of the reference, as a webhook about it would."""
        found = parse_ref(ref)
        assert found is not None
        return await self.applier.apply(found, Cause(source, "psp:memory"), dry_run=dry_run)

    @property
    def team(self) -> Plan:
        """Return the plan that gives more than the reader's."""
        return self.catalog.get("team")

    async def outcome(self, app_id: str = "notes") -> Outcome:
        """Decide on the app for the client, as the gate does."""
        facts = await self.reader.read(self.client_id)
        requirement = Requirement(app_id, Access.ENTITLED)
        return decide(requirement, Client(self.client_id, "session"), facts, self.clock()).outcome


@pytest.fixture
async def shop(database: Database, clock: FakeClock) -> Shop:
    return await make_shop(database, clock)


async def make_shop(database: Database, clock: FakeClock) -> Shop:
    """Sell plans on the database to a client."""
    plans = (
        make_plan("reader"),
        make_plan("team", apps=("notes", "wiki"), amount_minor=900),
        make_plan("lifetime", interval=Interval.ONCE, grace_days=0),
        make_plan("seats", apps=("chat",), max_quantity=5),
        make_plan("tried", apps=("feed",), trial_days=14),
    )
    provider = HeldProvider(clock)
    published = await publish_plans(database, plans, psp=provider.name, livemode=False)
    catalog = Catalog(plans, published)
    memory = MemoryStore(100, 60.0, lambda: clock().timestamp())
    reader = EntitlementReader(memory, NoSharedStore(), database, clock, 5.0)
    meter, slack = Tally(), timedelta(hours=1)
    applier = Applier(database, provider, catalog, clock, reader.invalidate, slack, meter=meter)
    urls = CheckoutUrls("https://g/return?session_id={CHECKOUT_SESSION_ID}", "https://g/c?{intent}")
    commands = Commands(
        database, provider, applier, clock, psp=provider.name, livemode=False, meter=meter
    )
    changes = Changes(database, catalog, commands)
    async with database.connection() as connection:
        client_id = await get_or_create_client(connection, "demo:ann")
    inbox = Inbox(database, provider.name)
    return Shop(
        database=database,
        provider=provider,
        catalog=catalog,
        applier=applier,
        checkout=Checkout(database, provider, catalog, applier, clock, urls),
        account=Account(database, changes, Portal(database, provider), clock, "https://g/account"),
        changes=changes,
        commands=commands,
        payments=Payments(database),
        refunds=Refunds(database, applier, commands),
        reader=reader,
        clock=clock,
        client_id=client_id,
        inbox=inbox,
        processor=make_processor(inbox, applier, provider, clock),
        meter=meter,
    )


def make_processor(
    inbox: Inbox, applier: Applier, provider: HeldProvider, clock: FakeClock
) -> Processor:
    """Return what processes events; the third failure is the last, and pauses are whole."""
    return Processor(inbox, applier, provider, clock, NoMeter(), max_attempts=3, jitter=lambda: 1.0)


def make_worker(shop: Shop, *, concurrency: int = 4) -> InboxWorker:
    """Return a worker that looks only when it is woken."""
    settings = WorkerSettings(poll_s=60, concurrency=concurrency)
    return InboxWorker(shop.inbox, shop.processor, shop.clock, settings)
