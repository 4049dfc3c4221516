"""The payment sandbox on a real socket, and who receives its webhooks."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from billing.facts import CheckoutOrder, ProviderPayment
from billing.metrics import NO_METER, Meter
from billing.model import Interval, Plan
from billing.providers.stripe.adapter import Stripe
from demo.sandbox.app import Settings, create_app
from demo.sandbox.catalog import CatalogEntry
from tests.support.clock import FakeClock
from tests.support.plans import make_plan

API_KEY = "sk_test_of_the_tests"
SITE = "tollway.example"
WEBHOOK_SECRET = "whsec_of_the_tests"

MONTH = make_plan("reader")
YEAR = make_plan("yearly", interval=Interval.YEAR)
ONCE = make_plan("lifetime", interval=Interval.ONCE)

GOOD_CARD = "4242 4242 4242 4242"
DECLINED_CARD = "4000 0000 0000 0002"
DECLINED_AT_RENEWAL_CARD = "4000 0000 0000 0341"

_RECEIVE_LIMIT_S = 20.0
# Some 86 s of sandbox time: a step that brings nothing about.
_TINY_STEP_DAYS = 0.001


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    text: str
    headers: dict[str, str]

    def json(self) -> Any:  # Any: JSON
        """Return the body as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook request as it arrived."""

    method: str
    body: bytes
    headers: dict[str, str]

    @property
    def event(self) -> Any:  # Any: JSON
        """Return the event."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """Records every request; answers with `status`, or never while `status` is None."""

    url: str
    status: int | None = 200
    deliveries: list[Delivery] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        """Take a request, whatever its path and method."""
        body = await request.read()
        async with self._arrived:
            self.deliveries.append(Delivery(request.method, body, dict(request.headers)))
            self._arrived.notify_all()
        if self.status is None:
            await self._released.wait()
        return web.Response(status=self.status or 200, headers={"Location": "/elsewhere"})

    async def wait_for(self, event_type: str) -> Delivery:
        """Return the first delivery of the type, once it is there."""
        async with asyncio.timeout(_RECEIVE_LIMIT_S), self._arrived:
            await self._arrived.wait_for(lambda: self._of(event_type))
        return self._of(event_type)[0]

    def types(self) -> list[str]:
        """Return the types of all events that came, in their order."""
        return [delivery.event["type"] for delivery in self.deliveries]

    def release(self) -> None:
        """Let everybody go who was kept waiting."""
        self._released.set()

    def _of(self, event_type: str) -> list[Delivery]:
        return [d for d in self.deliveries if d.event["type"] == event_type]


@asynccontextmanager
async def run_receiver() -> AsyncIterator[Receiver]:
    """Run a receiver of webhooks on a free port."""
    sock = _listen()
    receiver = Receiver(f"{_url_of(sock)}/webhook")
    app = web.Application()
    app.add_routes([web.route("*", "/{rest:.*}", receiver.receive)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        yield receiver
    finally:
        receiver.release()
        await runner.cleanup()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox at `url`, and a client that speaks HTTP to it."""

    url: str
    data: Path
    http: aiohttp.ClientSession

    async def ask(
        self,
        method: str,
        path: str,
        *,
        data: dict[str, str] | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request and follow nowhere; `path` may be a whole URL."""
        async with self.http.request(
            method,
            path if path.startswith("http") else self.url + path,
            data=data,
            headers=headers,
            allow_redirects=False,
        ) as answer:
            return Answer(answer.status, await answer.text(), dict(answer.headers))

    async def api(self, method: str, path: str, fields: dict[str, str] | None = None) -> Answer:
        """Call the API with the right key."""
        return await self.ask(
            method, path, data=fields, headers={"Authorization": f"Bearer {API_KEY}"}
        )

    async def control(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> Any:  # Any: JSON
        """Turn what `/_sandbox` has, and return its answer."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        data = json.dumps(body or {}).encode()
        answer = await self.ask(method, f"/_sandbox/{path}", data=data, headers=headers)
        assert answer.status == 200, answer.text
        return answer.json()

    async def pay(self, url: str | None, card: str = GOOD_CARD) -> Answer:
        """Send the form of the hosted page."""
        assert url is not None
        return await self.ask("POST", url, data={"card": card, "email": "ann@example.org"})

    async def advance(self, days: float) -> None:
        """Move the clock, and wait until every webhook was tried."""
        answer = await self.ask(
            "POST",
            "/sandbox/clock",
            data=json.dumps({"advance_days": days}).encode(),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status == 200, answer.text

    async def settle(self) -> None:
        """Wait until every webhook that may go out now was tried."""
        await self.advance(_TINY_STEP_DAYS)

    async def state(self) -> dict[str, int]:
        """Return what there is, in numbers."""
        counts: dict[str, int] = (await self.ask("GET", "/sandbox/state")).json()
        return counts


@asynccontextmanager
async def run_sandbox(
    data: Path, webhook_url: str, wall_s: Callable[[], float]
) -> AsyncIterator[Sandbox]:
    """Run the sandbox on a free port, with the three plans of this file for sale."""
    sock = _listen()
    url = _url_of(sock)
    settings = Settings(
        data=data,
        public_url=url,
        webhook_url=webhook_url,
        webhook_secret=WEBHOOK_SECRET,
        api_key=API_KEY,
        catalog=tuple(to_entry(plan) for plan in (MONTH, YEAR, ONCE)),
        wall_s=wall_s,
    )
    runner = web.AppRunner(create_app(settings), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            yield Sandbox(url, data, http)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def run_adapter(
    api_url: str,
    *,
    key: str = API_KEY,
    secrets: tuple[str, ...] = (WEBHOOK_SECRET,),
    timeout_s: float = 20.0,
    retries: int = 0,
    cooldown_s: float = 10.0,
    meter: Meter = NO_METER,
) -> AsyncIterator[Stripe]:
    """Return the product's own adapter, pointed at `api_url`."""
    adapter = Stripe(
        api_url=api_url,
        secret_key=key,
        webhook_secrets=secrets,
        livemode=False,
        timeout_s=timeout_s,
        retries=retries,
        site=SITE,
        cooldown_s=cooldown_s,
        meter=meter,
    )
    try:
        yield adapter
    finally:
        await adapter.close()


@dataclass(frozen=True, slots=True)
class Shop:
    """The sandbox, the product's adapter to it, and the receiver of its webhooks."""

    sandbox: Sandbox
    stripe: Stripe
    receiver: Receiver
    clock: FakeClock

    async def buy(self, plan: Plan = MONTH, card: str = GOOD_CARD) -> str:
        """Buy the plan and return the session's id."""
        checkout = await self.stripe.create_checkout(make_order(plan))
        answer = await self.sandbox.pay(checkout.url, card)
        assert answer.status == 303, answer.text
        return checkout.psp_session_id

    async def subscribe(self, plan: Plan = MONTH, card: str = GOOD_CARD) -> str:
        """Buy the plan and return the subscription's id."""
        paid = await self.stripe.fetch_checkout(await self.buy(plan, card))
        assert paid.psp_sub_id is not None
        return paid.psp_sub_id

    async def cancel(self, sub_id: str) -> None:
        """Let the subscription end with its period."""
        await self.stripe.cancel_at_period_end(sub_id, key=uuid.uuid4().hex)

    async def resume(self, sub_id: str) -> None:
        """Take the cancellation back."""
        await self.stripe.resume(sub_id, key=uuid.uuid4().hex)

    async def payment_of(self, sub_id: str) -> ProviderPayment:
        """Return the subscription's latest payment."""
        found = await self.stripe.fetch_subscription(sub_id)
        assert found.psp_payment_id is not None
        return await self.stripe.fetch_payment(found.psp_payment_id, thorough=False)


def make_order(plan: Plan = MONTH, *, key: str = "order-1") -> CheckoutOrder:
    """Return an order of the plan."""
    return CheckoutOrder(
        client_id="client-1",
        plan=plan,
        quantity=1,
        trial_days=0,
        success_url="https://shop.example/return?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="https://shop.example/plans",
        idempotency_key=key,
        psp_customer_id=None,
    )


def to_entry(plan: Plan) -> CatalogEntry:
    """Return the catalog's entry for the plan."""
    return CatalogEntry.model_validate(
        {
            "price_id": plan.psp_price_id,
            "product_id": f"prod_{plan.id}",
            "name": plan.name,
            "description": None,
            "amount_minor": plan.amount_minor,
            "currency": plan.currency,
            "interval": None if plan.interval is Interval.ONCE else plan.interval.value,
        }
    )


@asynccontextmanager
async def run_bytes(sent: bytes, *later: bytes, times: int = 1) -> AsyncIterator[str]:
    """Run a server that sends bytes to whoever connects and then falls silent; give its URL.

    The first `times` connections get `sent`, and those after them `later` where it is given.
    """
    released = asyncio.Event()
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(later[0] if later and count > times else sent)
        await released.wait()
        writer.close()

    sock = _listen()
    url = _url_of(sock)
    server = await asyncio.start_server(serve, sock=sock)
    try:
        yield url
    finally:
        released.set()
        server.close()
        await server.wait_closed()


async def send_raw(url: str, request: bytes) -> Answer:
    """Send bytes that no client would send, and return what came back."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    body = await reader.readexactly(int(headers["Content-Length"]))
    writer.close()
    await writer.wait_closed()
    return Answer(int(lines[0].split(" ")[1]), body.decode(), headers)


def _listen() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=64)


def _url_of(sock: socket.socket) -> str:
    return f"http://127.0.0.1:{sock.getsockname()[1]}"
