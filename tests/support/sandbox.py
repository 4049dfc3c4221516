"""The payment sandbox on a real socket, the real adapter in front of it, and a webhook receiver."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from billing.model import CheckoutOrder, Interval, Plan
from billing.providers.stripe import Stripe
from demo.sandbox.app import Settings, create_app
from demo.sandbox.catalog import CatalogEntry
from tests.support.clock import Seconds
from tests.support.plans import make_plan
from tests.support.snapshots import CLIENT

API_KEY = "sk_test_sandbox"
WEBHOOK_SECRET = "whsec_sandbox"
GOOD, DECLINED, FAILS_LATER = "4242424242424242", "4000000000000002", "4000000000000341"

PLANS: Mapping[str, Plan] = {
    "reader": make_plan("reader"),
    "yearly": make_plan("yearly", interval=Interval.YEAR),
    "lifetime": make_plan("lifetime", interval=Interval.ONCE),
}


def _entry(plan_id: str, interval: Literal["month", "year"] | None) -> CatalogEntry:
    plan = PLANS[plan_id]
    return CatalogEntry(
        price_id=plan.psp_price_id,
        product_id=f"prod_{plan.id}",
        name=plan.name,
        amount_minor=plan.amount_minor,
        currency=plan.currency,
        interval=interval,
    )


CATALOG = (_entry("reader", "month"), _entry("yearly", "year"), _entry("lifetime", None))


@dataclass
class Received:
    """A webhook as it came over the wire."""

    body: bytes
    headers: Mapping[str, str]


@dataclass
class Receiver:
    """Takes webhooks; `status` is what it answers."""

    url: str = ""
    status: int = 200
    webhooks: list[Received] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        async with self.came:
            self.webhooks.append(Received(await request.read(), request.headers))
            self.came.notify_all()
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})

    async def wait_for(self, count: int) -> list[Received]:
        """Wait until `count` webhooks have come and return all."""
        async with asyncio.timeout(10), self.came:
            await self.came.wait_for(lambda: len(self.webhooks) >= count)
            return list(self.webhooks)


@dataclass
class Sandbox:
    """A running sandbox. `wall` is its machine's clock; `stripe` the adapter that talks to it."""

    url: str
    http: aiohttp.ClientSession
    wall: Seconds
    stripe: Stripe
    receiver: Receiver

    async def open_checkout(self, plan: str = "reader", *, key: str = "key-1") -> str:
        """Create a checkout of the plan and return its id."""
        return (await self.stripe.create_checkout(make_order(plan, key=key))).psp_session_id

    async def pay(self, session_id: str, card: str = GOOD) -> tuple[int, str]:
        """Send the hosted page's form; return status, and Location or page."""
        form = {"card": card, "expiry": "12 / 49", "cvc": "123", "email": ""}
        return await self.post(f"/c/pay/{session_id}", form)

    async def buy(self, plan: str = "reader", card: str = GOOD) -> str:
        """Buy a plan and return the id of its subscription."""
        session_id = await self.open_checkout(plan)
        await self.pay(session_id, card)
        checkout = await self.stripe.fetch_checkout(session_id)
        assert checkout.psp_sub_id is not None
        return checkout.psp_sub_id

    async def told(self) -> list[Received]:
        """Wait until every event there is has been sent and return what was."""
        _, state = await self.call("GET", "/sandbox/state")
        return await self.receiver.wait_for(state["events"])

    async def move(self, days: float) -> None:
        """Move the sandbox's clock."""
        async with self.http.post(
            f"{self.url}/sandbox/clock", json={"advance_days": days}
        ) as answer:
            assert answer.status == 200, await answer.text()

    async def post(self, path: str, form: dict[str, str], **headers: str) -> tuple[int, str]:
        """Post a form; return status, and Location or body."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(
            f"{self.url}{path}", data=form, headers=sent, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers.get("Location") or await answer.text()

    async def call(self, method: str, path: str, body: str = "") -> tuple[int, Any]:
        """Call the API with the right key; return status and JSON."""
        headers = {
            "Authorization": f"Bearer {API_KEY}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with self.http.request(
            method, f"{self.url}{path}", data=body or None, headers=headers
        ) as answer:
            return answer.status, await answer.json()


def make_order(plan: str = "reader", *, key: str = "key-1") -> CheckoutOrder:
    """Return an order of the plan."""
    return CheckoutOrder(
        client_id=CLIENT,
        plan=PLANS[plan],
        success_url="http://shop.example/return?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="http://shop.example/cancelled",
        idempotency_key=key,
        psp_customer_id=None,
    )


def make_stripe(url: str, *, key: str = API_KEY, timeout_s: float = 5.0) -> Stripe:
    """Return the adapter, pointed at the URL."""
    return Stripe(
        api_url=url,
        secret_key=key,
        webhook_secrets=(WEBHOOK_SECRET,),
        livemode=False,
        timeout_s=timeout_s,
        retries=0,
    )


@asynccontextmanager
async def run_receiver() -> AsyncIterator[Receiver]:
    """Run a receiver of webhooks."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/webhook", receiver.take)
    async with _serve(app) as url:
        receiver.url = f"{url}/webhook"
        yield receiver


@asynccontextmanager
async def run_sandbox(data: Path, receiver: Receiver) -> AsyncIterator[Sandbox]:
    """Run the sandbox on the data, with today's time."""
    wall = Seconds(float(int(datetime.now(UTC).timestamp())))
    settings = Settings(
        data=data,
        public_url="http://sandbox.example",
        webhook_url=receiver.url,
        webhook_secret=WEBHOOK_SECRET,
        api_key=API_KEY,
        catalog=CATALOG,
        wall_s=wall,
    )
    async with _serve(create_app(settings)) as url, aiohttp.ClientSession() as http:
        stripe = make_stripe(url)
        try:
            yield Sandbox(url, http, wall, stripe, receiver)
        finally:
            await stripe.close()


def path_of(url: str | None) -> str:
    """Return the path of a URL."""
    assert url is not None
    return urlsplit(url).path


@asynccontextmanager
async def _serve(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
