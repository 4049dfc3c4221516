"""The API on a real server and a real database, with tokens that are really verified."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from billing.api.dispatch import Api
from billing.api.idempotency import Repeats
from billing.api.openapi import Site
from billing.api.pages import DocumentPages
from billing.api.parts import Parts, bindings_of
from billing.api.places import Places
from billing.api.wrong_turns import tell_wrong_turns
from billing.apply import Applier
from billing.catalog import Catalog
from billing.entitlements.memory import MemoryStore
from billing.entitlements.reader import EntitlementReader
from billing.entitlements.shared import NoSharedStore
from billing.facts import parse_ref
from billing.model import Cause, Interval, Source
from billing.oauth.endpoint import TokenEndpoint
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
from billing.webhooks.endpoint import Account, WebhookEndpoint
from billing.webhooks.inbox import Inbox
from billing.webhooks.processing import Processor
from gateway.control import create_control_app
from gateway.metrics import Metrics
from gateway.scrape import Scrape
from gateway.wiring.api import decided
from policies.permission import SCOPES, Role
from tests.support.access import Access
from tests.support.clock import FakeClock
from tests.support.plans import make_plan
from tests.support.provider import MemoryProvider

PUBLIC_URL = "https://pay.example.com"
FEATURES = {"notes": frozenset({"access", "export"}), "wiki": frozenset({"access"})}


@dataclass(frozen=True)
class Told:
    """An answer, read."""

    status: int
    headers: Mapping[str, str]
    text: str
    json: Any  # what JSON can say


@dataclass
class Desk:
    """The API under way; `token` is the one that calls are made with unless they say another."""

    session: aiohttp.ClientSession
    access: Access
    provider: MemoryProvider
    checkout: Checkout
    applier: Applier
    inbox: Inbox
    database: Database
    clock: FakeClock
    url: str
    token: str = ""

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        **headers: str,
    ) -> Told:
        """Make a call."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        used = self.token if token is None else token
        if used:
            sent.setdefault("Authorization", f"Bearer {used}")
        async with self.session.request(
            method, self.url + path, json=body, headers=sent, allow_redirects=False
        ) as answer:
            text = await answer.text()
            is_json = "json" in answer.headers.get("Content-Type", "") and text
            return (
                Told(answer.status, answer.headers, text, await answer.json(content_type=None))
                if is_json
                else Told(answer.status, answer.headers, text, None)
            )

    async def token_of(
        self, role: Role, name: str = "notes", scopes: frozenset[str] | None = None
    ) -> str:
        """Return a token of a new credential."""
        return await self.access.token(await self.access.add(name, role, scopes))

    async def add_client(
        self, external_id: str = "demo:ann", app_id: str | None = None, id_: str | None = None
    ) -> str:
        """Register a client and return its id."""
        async with self.database.transaction() as connection:
            made = await create_client(
                connection,
                external_id,
                Cause(Source.ADMIN, "test"),
                name="Ann",
                email=f"{external_id.partition(':')[2]}@example.com",
                app_id=app_id,
            )
            if id_ is not None:
                # Nothing refers to it yet; what is sealed for the old id is made anew.
                await connection.execute(
                    "update clients set id = $2::text::uuid, name_enc = null, email_enc = null,"
                    " email_index = null where id = $1::text::uuid",
                    made.id,
                    id_,
                )
        return id_ or made.id

    async def buy(self, client_id: str, plan: str = "reader") -> str:
        """Let the client buy a plan, return included, and give the payment's id."""
        begun = await self.ask("POST", "/payments", {"client_id": client_id, "plan": plan})
        assert begun.status == 201, begun.text
        session_id = begun.json["checkout_url"].rsplit("/", 1)[1]
        self.provider.pay(session_id)
        await self.checkout.finish(session_id)
        return str(begun.json["id"])

    async def see(self, ref: str) -> None:
        """Read the object again, as after an event."""
        found = parse_ref(ref)
        assert found is not None
        await self.applier.apply(found, Cause(Source.WEBHOOK, "psp:memory"))

    async def subscription_of(self, client_id: str) -> Any:  # what JSON can say
        """Return the client's only subscription."""
        told = await self.ask("GET", f"/subscriptions/{client_id}")
        (only,) = told.json["items"]
        return only


@pytest.fixture
async def desk(database: Database, clock: FakeClock) -> AsyncIterator[Desk]:
    plans = (
        make_plan("reader"),
        make_plan("team", apps=("notes", "wiki")),
        make_plan("gold", amount_minor=900),
        make_plan("wiki", apps=("wiki",)),
        make_plan("lifetime", interval=Interval.ONCE, grace_days=0),
    )
    provider = MemoryProvider(clock)
    catalog = Catalog(plans, await publish_plans(database, plans, psp="memory", livemode=False))
    access = Access(database, clock)
    memory = MemoryStore(100, 60.0, lambda: clock().timestamp())
    reader = EntitlementReader(memory, NoSharedStore(), database, clock, 5.0)
    applier = Applier(database, provider, catalog, clock, reader.invalidate, timedelta(hours=1))
    by_hand = AccessByHand(database, FEATURES, reader.invalidate)
    urls = CheckoutUrls("https://g/return?session_id={CHECKOUT_SESSION_ID}", "https://g/c?{intent}")
    checkout = Checkout(database, provider, catalog, applier, clock, urls)
    commands = Commands(database, provider, applier, clock, psp=provider.name, livemode=False)
    hosts = {"https://notes.example.com": "notes.example.com"}
    parts = Parts(
        door=access.guard,
        seller=checkout,
        payments=Payments(database),
        refunds=Refunds(database, applier, commands),
        changes=Changes(database, catalog, commands),
        portal=Portal(database, provider),
        grants=ManualGrants(database, by_hand, clock),
        blocks=Blocks(database, by_hand, clock),
        plans=catalog,
        facts=reader,
        decide=decided,
        database=database,
        app_ids=tuple(FEATURES),
        places=Places(hosts, PUBLIC_URL, "pay.example.com"),
        clock=clock,
        wall=clock,
        public_url=PUBLIC_URL,
    )
    app = create_control_app()
    app.middlewares.append(tell_wrong_turns(PUBLIC_URL))
    repeats = Repeats(database, database.ring, clock)
    app.add_routes(Api(access.guard, repeats, bindings_of(parts), PUBLIC_URL).routes())
    app.add_routes(DocumentPages(access.guard, Site(PUBLIC_URL, "1.2.3")).routes())
    metrics = Metrics()
    app.add_routes(Scrape(access.guard, metrics, database, PUBLIC_URL).routes())
    tokens = TokenEndpoint(access.issuer, access.keys, PUBLIC_URL, access.monotonic)
    app.add_routes(tokens.routes())
    inbox = Inbox(database, provider.name)
    processor = Processor(inbox, applier, provider, clock, metrics, max_attempts=3)
    accounts = {provider.name: Account(provider, inbox, processor)}
    webhooks = WebhookEndpoint(
        accounts, clock, metrics, default=provider.name, body_limit_bytes=64 * 1024
    )
    app.add_routes(webhooks.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        made = Desk(session, access, provider, checkout, applier, inbox, database, clock, url)
        made.token = await made.token_of(Role.ADMIN, "operator", SCOPES)
        yield made
    await runner.cleanup()
