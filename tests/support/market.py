"""Everything that sells, behind its API, with the stand-in for Stripe as its provider."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

from billing.api.dispatch import Api
from billing.api.idempotency import Repeats
from billing.api.parts import Parts, bindings_of
from billing.api.places import Places
from billing.apply import Applier
from billing.catalog import Catalog
from billing.entitlements.memory import MemoryStore
from billing.entitlements.reader import EntitlementReader
from billing.entitlements.shared import NoSharedStore
from billing.metrics import NO_METER, Meter, NoMeter
from billing.model import Cause, Interval, Plan, Source
from billing.providers.stripe.adapter import Stripe
from billing.selling.access import AccessByHand
from billing.selling.blocks import Blocks
from billing.selling.changes import Changes
from billing.selling.checkout import Checkout, CheckoutUrls
from billing.selling.commands import Commands
from billing.selling.grants import ManualGrants
from billing.selling.payments import Payments
from billing.selling.portal import Portal
from billing.selling.refunds import Refunds
from billing.storage.client_records import create_client
from billing.storage.plans import publish_plans
from billing.storage.pool import Database
from billing.webhooks.endpoint import Account as Receiving
from billing.webhooks.endpoint import WebhookEndpoint
from billing.webhooks.inbox import Inbox
from billing.webhooks.processing import Processor
from billing.webhooks.worker import InboxWorker, WorkerSettings
from gateway.control import create_control_app
from gateway.wiring.api import decided
from policies.model import Snapshot
from policies.permission import SCOPES, Role
from tests.support.access import Access
from tests.support.clock import FakeClock
from tests.support.plans import make_plan
from tests.support.sandbox import API_KEY, SITE, run_adapter, to_entry
from tests.support.stripe_account import START_S, Account, Body, open_account

PUBLIC_URL = "https://pay.example.com"
SLACK = timedelta(hours=4)

READER = make_plan("reader")
TEAM = make_plan("team", apps=("notes", "wiki"), amount_minor=1900)
YEARLY = make_plan("yearly", interval=Interval.YEAR, amount_minor=5000)
YEARLY_TEAM = make_plan(
    "yearly-team", interval=Interval.YEAR, apps=("notes", "wiki"), amount_minor=19_000
)
TRIED = make_plan("tried", apps=("feed",), trial_days=14)
SEATS = make_plan("seats", apps=("chat",), max_quantity=5, grace_days=10)
LIFETIME = make_plan("lifetime", interval=Interval.ONCE, apps=("files",), grace_days=0)
PLANS = (READER, TEAM, YEARLY, YEARLY_TEAM, TRIED, SEATS, LIFETIME)
FEATURES = {app: frozenset({"access"}) for app in ("notes", "wiki", "feed", "chat", "files")}

GOOD = {"card": "4242 4242 4242 4242"}
DECLINED = {"card": "4000 0000 0000 0002"}
DECLINED_LATER = {"card": "4000 0000 0000 0341"}
ASKING = {"card": "4000 0025 0000 3155"}
DEBIT = {"method": "sepa_debit", "iban": "AT61 1904 3002 3457 3201"}
DEBIT_THAT_FAILS = {"method": "sepa_debit", "iban": "AT86 1904 3002 3547 3202"}


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of the API, read."""

    status: int
    json: Any  # what JSON can say
    retry_after: str | None = None

    @property
    def problem(self) -> str:
        """Return the last word of the problem's type."""
        return str(self.json["type"]).rpartition("/")[2]


@dataclass
class Market:
    """The product, its provider, and one client of it."""

    stripe: Account
    database: Database
    applier: Applier
    checkout: Checkout
    commands: Commands
    reader: EntitlementReader
    worker: InboxWorker
    http: aiohttp.ClientSession
    app: web.Application
    token: str
    wall: FakeClock
    url: str = ""
    client_id: str = ""

    def now(self) -> datetime:
        """Return the provider's time, which entitlements go by."""
        return datetime.fromtimestamp(self.stripe.now_s(), UTC)

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Told:
        """Make a call of the API."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Authorization"] = f"Bearer {self.token}"
        async with self.http.request(method, self.url + path, json=body, headers=sent) as answer:
            told = await answer.json(content_type=None)
            return Told(answer.status, told, answer.headers.get("Retry-After"))

    async def add_client(self, external_id: str = "demo:ann") -> str:
        """Register a client and return its id."""
        async with self.database.transaction() as connection:
            made = await create_client(
                connection,
                external_id,
                Cause(Source.ADMIN, "test"),
                name=None,
                email=None,
                app_id=None,
            )
        return made.id

    async def begin(self, plan: str = "reader", quantity: int = 1, **headers: str) -> Told:
        """Ask for a plan."""
        wish = {"client_id": self.client_id, "plan": plan, "quantity": quantity}
        return await self.ask("POST", "/payments", wish, **headers)

    async def buy(
        self, plan: str = "reader", by: Mapping[str, str] = GOOD, quantity: int = 1
    ) -> str:
        """Buy the plan on the hosted page, and come back; return the payment's id."""
        begun = await self.begin(plan, quantity)
        assert begun.status == 201, begun.json
        assert await self.submit(begun.json["checkout_url"], by) == 303
        await self.come_back(begun.json["checkout_url"])
        return str(begun.json["id"])

    async def submit(self, url: str, form: Mapping[str, str]) -> int:
        """Send the form of a page of the provider's, and return the answer's status."""
        async with self.http.post(url, data=dict(form), allow_redirects=False) as answer:
            await answer.read()
            return answer.status

    async def come_back(self, checkout_url: str) -> None:
        """Return from the hosted page."""
        await self.checkout.finish(checkout_url.rsplit("/", 1)[1])

    async def turn(self, path: str, /, **knobs: object) -> None:
        """Turn what `/_sandbox` has."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        url = f"{self.stripe.url}/_sandbox/{path}"
        async with self.http.post(url, json=knobs, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    async def end_faults(self) -> None:
        """Let no fault befall anybody any more."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        url = f"{self.stripe.url}/_sandbox/faults"
        async with self.http.delete(url, headers=headers) as answer:
            assert answer.status == 200

    async def portal(self, action: str, **form: str) -> int:
        """Open the client's portal, and press a button in it."""
        opened = await self.ask("POST", f"/clients/{self.client_id}/portal", {})
        assert opened.status == 201, opened.json
        return await self.submit(f"{opened.json['url']}/{action}", form)

    async def mend(self, card: str = GOOD["card"]) -> None:
        """Give the portal another card, with which what is open is paid."""
        assert await self.portal("card", card=card, expiry="12 / 40", cvc="123") == 303
        await self.deliver()

    async def change(self, **wish: object) -> Told:
        """Change the client's only live subscription, unless another is named."""
        wish.setdefault("subscription_id", (await self.held())["id"])
        return await self.ask("POST", "/subscriptions", {"client_id": self.client_id, **wish})

    async def held(self) -> Any:  # what JSON can say
        """Return the client's newest subscription as the API tells it."""
        return (await self.all_held())[0]

    async def all_held(self) -> Any:  # what JSON can say
        """Return the client's subscriptions as the API tells them."""
        return (await self.ask("GET", f"/subscriptions/{self.client_id}")).json["items"]

    async def sub(self) -> Body:
        """Return the newest subscription at the provider."""
        return (await self.stripe.all("subscriptions", status="all"))[-1]

    async def latest_charge(self) -> str:
        """Return the newest charge at the provider."""
        return str((await self.stripe.all("charges"))[-1]["id"])

    async def pass_days(self, days: float) -> None:
        """Let time pass at the provider, and tell us of all that happened."""
        await self.stripe.advance(days)
        await self.deliver()

    async def deliver(self) -> None:
        """Bring us every event that waits, and process all."""
        while due := self.stripe.courier.sign_due(100):
            for delivery in due:
                status = await self.post_event(delivery.pending.body, delivery.headers)
                assert status == 200, status
                self.stripe.courier.mark(delivery.pending, None)
        await self.process()

    def lose_events(self) -> int:
        """Let every event that waits be lost, and return how many."""
        due = self.stripe.courier.sign_due(1000)
        for delivery in due:
            self.stripe.courier.mark(delivery.pending, None)
        return len(due)

    async def post_event(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Post a webhook to us."""
        async with self.http.post(f"{self.url}/webhook", data=body, headers=headers) as answer:
            return answer.status

    async def process(self) -> None:
        """Process what is due in the inbox."""
        while await self.worker.process_one():
            pass

    async def opens(self, *apps: str) -> list[bool]:
        """Tell of each app whether the gate lets the client in."""
        facts = await self.reader.read(self.client_id)
        assert isinstance(facts, Snapshot)
        return [decided(facts, app, "access", self.now()).outcome == "allow" for app in apps]

    async def is_open(self, app: str = "notes") -> bool:
        """Tell whether the gate lets the client into the app."""
        return (await self.opens(app))[0]

    async def log_of(self, action: str) -> list[Body]:
        """Return what the audit log says of the actions of that name, the oldest first."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "select after from audit where action = $1 order by seq", action
            )
        return [row["after"] for row in rows]


@asynccontextmanager
async def open_market(
    database: Database,
    plans: tuple[Plan, ...] = PLANS,
    *,
    later: tuple[Plan, ...] = (),
    timeout_s: float = 20.0,
    cooldown_s: float = 0.0,
    meter: Meter = NO_METER,
) -> AsyncIterator[Market]:
    """Run the stand-in, which has the prices of `later` plans too, and the product before it.

    `timeout_s` is for one call to the stand-in; `cooldown_s` is how long it is left alone after
    too many failures.
    """
    entries = tuple(to_entry(plan) for plan in (*plans, *later))
    async with (
        open_account(entries) as stripe,
        _run(database, plans, stripe, timeout_s, cooldown_s, meter) as market,
    ):
        market.client_id = await market.add_client()
        yield market


@asynccontextmanager
async def sell_anew(market: Market, plans: tuple[Plan, ...]) -> AsyncIterator[Market]:
    """Run the product before the same stand-in with other plans in its configuration."""
    async with _run(market.database, plans, market.stripe) as anew:
        anew.client_id = market.client_id
        yield anew


@asynccontextmanager
async def _run(
    database: Database,
    plans: tuple[Plan, ...],
    stripe: Account,
    timeout_s: float = 20.0,
    cooldown_s: float = 0.0,
    meter: Meter = NO_METER,
) -> AsyncIterator[Market]:
    async with (
        run_adapter(stripe.url, timeout_s=timeout_s, cooldown_s=cooldown_s, meter=meter) as adapter,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        wall = FakeClock()
        wall.now = datetime.fromtimestamp(START_S, UTC)
        market = await _join(database, plans, stripe, adapter, http, wall)
        runner = web.AppRunner(market.app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            market.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield market
        finally:
            await runner.cleanup()


async def _join(
    database: Database,
    plans: tuple[Plan, ...],
    stripe: Account,
    adapter: Stripe,
    http: aiohttp.ClientSession,
    wall: FakeClock,
) -> Market:
    """Join all that sells, as `gateway/wiring` does."""

    def clock() -> datetime:
        return datetime.fromtimestamp(stripe.now_s(), UTC)

    published = await publish_plans(database, plans, psp=adapter.name, livemode=False)
    catalog = Catalog(plans, published)
    access = Access(database, wall)
    reader = EntitlementReader(
        MemoryStore(100, 60.0, lambda: clock().timestamp()),
        NoSharedStore(),
        database,
        clock,
        5.0,
    )
    applier = Applier(database, adapter, catalog, clock, reader.invalidate, SLACK, site=SITE)
    urls = CheckoutUrls(
        "https://g.example/return?session_id={CHECKOUT_SESSION_ID}", "https://g.example/c?{intent}"
    )
    checkout = Checkout(database, adapter, catalog, applier, clock, urls)
    commands = Commands(database, adapter, applier, wall, psp=adapter.name, livemode=False)
    by_hand = AccessByHand(database, FEATURES, reader.invalidate)
    inbox = Inbox(database, adapter.name)
    processor = Processor(inbox, applier, adapter, wall, NoMeter(), max_attempts=3)
    parts = Parts(
        door=access.guard,
        seller=checkout,
        payments=Payments(database),
        refunds=Refunds(database, applier, commands),
        changes=Changes(database, catalog, commands),
        portal=Portal(database, adapter),
        grants=ManualGrants(database, by_hand, clock),
        blocks=Blocks(database, by_hand, clock),
        plans=catalog,
        facts=reader,
        decide=decided,
        database=database,
        app_ids=tuple(FEATURES),
        places=Places({}, PUBLIC_URL, "pay.example.com"),
        clock=clock,
        wall=wall,
        public_url=PUBLIC_URL,
    )
    app = create_control_app()
    repeats = Repeats(database, database.ring, wall)
    app.add_routes(Api(access.guard, repeats, bindings_of(parts), PUBLIC_URL).routes())
    receiving = {adapter.name: Receiving(adapter, inbox, processor)}
    endpoint = WebhookEndpoint(
        receiving, wall, NoMeter(), default=adapter.name, body_limit_bytes=512 * 1024
    )
    app.add_routes(endpoint.routes())
    return Market(
        stripe=stripe,
        database=database,
        applier=applier,
        checkout=checkout,
        commands=commands,
        reader=reader,
        worker=InboxWorker(inbox, processor, wall, WorkerSettings(poll_s=60, concurrency=4)),
        http=http,
        app=app,
        token=await access.token(
            await access.add(f"operator-{stripe.now_s()}", Role.ADMIN, SCOPES)
        ),
        wall=wall,
    )
