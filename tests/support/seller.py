"""Our whole billing side beside a stand-in in memory: two workers, each with its own pool.

Nothing of it runs by itself: a test decides what is delivered, who works, and who dies when.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from billing.apply import Applier
from billing.catalog import Catalog
from billing.metrics import NoMeter
from billing.model import Interval
from billing.ports import Clock
from billing.providers.stripe.adapter import Stripe
from billing.reconcile.check import Checker
from billing.reconcile.missed import MissedEvents
from billing.reconcile.reconciler import Reconciler, ReconcileSettings
from billing.selling.changes import Changes
from billing.selling.checkout import Checkout, CheckoutUrls
from billing.selling.commands import Commands
from billing.selling.payments import Payments
from billing.selling.refunds import Refunds
from billing.storage.due import Account
from billing.storage.plans import publish_plans
from billing.storage.pool import Database
from billing.webhooks.endpoint import Account as WebhookAccount
from billing.webhooks.endpoint import WebhookEndpoint
from billing.webhooks.inbox import Inbox
from billing.webhooks.processing import Processor
from billing.webhooks.worker import InboxWorker, WorkerSettings
from demo.sandbox.app import COURIER, FAULTS, LEDGER, create_app
from demo.sandbox.delivery import Courier, sign
from demo.sandbox.faults import Faults
from demo.sandbox.ledger import Ledger
from tests.support.clock import FakeClock
from tests.support.fate import Fate
from tests.support.keys import RING
from tests.support.plans import make_plan
from tests.support.provider_truth import GRACE_DAYS, SLACK_S
from tests.support.sandbox import API_KEY, WEBHOOK_SECRET
from tests.support.stripe_account import CATALOG, START_S, memory_settings

MOST = 3
"""How many of a plan one subscription may have."""

_INTERVALS = {None: Interval.ONCE, "year": Interval.YEAR}
_TRIAL_DAYS = {"year": 14}
PLANS = tuple(
    replace(
        make_plan(
            entry.name,
            grace_days=GRACE_DAYS,
            apps=(entry.name,),
            trial_days=_TRIAL_DAYS.get(entry.name, 0),
            max_quantity=MOST,
        ),
        amount_minor=entry.amount_minor,
        currency=entry.currency,
        interval=_INTERVALS.get(entry.interval, Interval.MONTH),
        psp_price_id=entry.price_id,
    )
    for entry in CATALOG
)
"""One plan a price; each opens the app of its own name."""

_URLS = CheckoutUrls("https://g/return?session_id={CHECKOUT_SESSION_ID}", "https://g/c?{intent}")
_CONNECTIONS = 4
_MAX_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True)
class Hand:
    """One process of ours: its pool, which can be cut, and its inbox worker."""

    fate: Fate
    database: Database
    catalog: Catalog
    applier: Applier
    processor: Processor
    worker: InboxWorker

    async def work(self, most: int) -> int:
        """Work off so much of the inbox, or all of it, and return how much that was."""
        worked = 0
        while worked < most and await self.worker.process_one():
            worked += 1
        return worked


@dataclass(frozen=True, slots=True)
class Seller:
    """Everything of ours, and the stand-in that it sells through."""

    ledger: Ledger
    courier: Courier
    faults: Faults
    wall: FakeClock
    provider: Stripe
    hands: tuple[Hand, Hand]
    checkout: Checkout
    changes: Changes
    payments: Payments
    refunds: Refunds
    commands: Commands
    reconciler: Reconciler
    http: "TestClient[web.Request, web.Application]"

    async def post(self, body: bytes) -> int:
        """Deliver an event as Stripe does."""
        signature = sign(body, [WEBHOOK_SECRET], int(self.wall().timestamp()))
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
        async with self.http.post("/webhook", data=body, headers=headers) as answer:
            return answer.status

    def events(self) -> list[bytes]:
        """Take what has to go out to us, as it is: who has it, delivers it, or not."""
        taken = []
        while signed := self.courier.sign_due(100):
            for delivery in signed:
                taken.append(delivery.pending.body)
                self.courier.mark(delivery.pending, None)
        return taken


@asynccontextmanager
async def open_seller(database_url: str) -> AsyncIterator[Seller]:
    """Open it on an empty, migrated database."""
    async with AsyncExitStack() as stack:
        wall = FakeClock()
        wall.now = datetime.fromtimestamp(START_S, UTC)
        sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        app = create_app(replace(memory_settings(url), wall_s=lambda: wall().timestamp()))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, sock).start()
        ledger = app[LEDGER]
        provider = Stripe(
            api_url=url,
            secret_key=API_KEY,
            webhook_secrets=(WEBHOOK_SECRET,),
            livemode=False,
            timeout_s=20.0,
            retries=0,
            # Its failures are ours to choose, and it is asked again at once.
            cooldown_s=0.0,
        )
        stack.push_async_callback(provider.close)

        def clock() -> datetime:
            return datetime.fromtimestamp(ledger.clock.now_s(), UTC)

        hands = [await _hand(stack, database_url, provider, clock, wall) for _ in range(2)]
        first = hands[0]
        inbox = Inbox(first.database, provider.name)
        endpoint = WebhookEndpoint(
            {provider.name: WebhookAccount(provider, inbox, first.processor)},
            wall,
            NoMeter(),
            default=provider.name,
            body_limit_bytes=1_000_000,
        )
        site = web.Application()
        site.add_routes(endpoint.routes())
        http = await stack.enter_async_context(TestClient(TestServer(site)))
        commands = _commands(first, provider, clock)
        yield Seller(
            ledger,
            app[COURIER],
            app[FAULTS],
            wall,
            provider,
            (first, hands[1]),
            Checkout(first.database, provider, first.catalog, first.applier, clock, _URLS),
            Changes(first.database, first.catalog, commands),
            Payments(first.database),
            Refunds(first.database, first.applier, commands),
            commands,
            _reconciler(first, provider, clock, wall, inbox),
            http,
        )


async def _hand(
    stack: AsyncExitStack, database_url: str, provider: Stripe, clock: Clock, wall: Clock
) -> Hand:
    fate = Fate()
    database = await Database.open(
        database_url, size=_CONNECTIONS, ring=RING, connection_class=fate.connection_class()
    )
    stack.push_async_callback(database.close)
    published = await publish_plans(database, PLANS, psp=provider.name, livemode=False)
    slack = timedelta(seconds=SLACK_S)
    catalog = Catalog(PLANS, published)
    applier = Applier(database, provider, catalog, clock, _nobody, slack)
    inbox = Inbox(database, provider.name)
    processor = Processor(inbox, applier, provider, wall, NoMeter(), max_attempts=_MAX_ATTEMPTS)
    worker = InboxWorker(inbox, processor, wall, WorkerSettings(poll_s=60, concurrency=4))
    return Hand(fate, database, catalog, applier, processor, worker)


def _commands(hand: Hand, provider: Stripe, clock: Clock) -> Commands:
    return Commands(
        hand.database,
        provider,
        hand.applier,
        clock,
        psp=provider.name,
        livemode=provider.livemode,
    )


def _reconciler(
    hand: Hand, provider: Stripe, clock: Clock, wall: Clock, inbox: Inbox
) -> Reconciler:
    """Return a reconciler that reads everything in each tick, without pausing."""
    meter = NoMeter()
    return Reconciler(
        hand.database,
        Account(provider.name, provider.livemode),
        Checker(hand.database, hand.applier, provider, clock, wall, meter),
        MissedEvents(hand.database, inbox, provider, clock, wall, meter),
        clock,
        wall,
        ReconcileSettings(tick_s=86_400, reads_per_second=100, share_days=1),
        sleep=lambda _: asyncio.sleep(0),
    )


async def _nobody(client_id: str, version: int) -> None:
    """Nothing caches what these tests look at."""
