"""An account at the stand-in for Stripe, in memory, behind the SDK's encoding and errors."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import stripe
from aiohttp import web

from billing.providers.stripe.http import StripeHTTPClient
from demo.sandbox.app import COURIER, LEDGER, Settings, create_app
from demo.sandbox.catalog import CatalogEntry
from demo.sandbox.delivery import Courier
from demo.sandbox.ledger import Ledger
from tests.support.sandbox import API_KEY, WEBHOOK_SECRET

# The sandbox's first instant.
START_S = 1_800_000_000
DAY_S = 86_400

# Any: JSON, as it came.
Body = dict[str, Any]


def price(
    name: str, amount_minor: int, interval: str | None, product: str | None = None
) -> CatalogEntry:
    """Return the catalog's entry for `price_NAME`."""
    return CatalogEntry.model_validate(
        {
            "price_id": f"price_{name}",
            "product_id": f"prod_{product or name}",
            "name": name,
            "amount_minor": amount_minor,
            "currency": "eur",
            "interval": interval,
        }
    )


CATALOG = (
    price("month", 1000, "month"),
    price("month_pro", 3000, "month"),
    price("month_free", 0, "month"),
    price("year", 10_000, "year"),
    price("week", 300, "week"),
    price("once", 5000, None),
)


@dataclass(frozen=True, slots=True)
class Account:
    """What a test does at the provider, and reads there; `courier` has the webhooks to send."""

    url: str
    courier: Courier
    client: stripe.StripeClient
    ledger: Ledger
    http: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **params: Any) -> Body:  # Any: parameters
        """Call the API through the SDK; its errors are the SDK's."""
        answer = await self.client.raw_request_async(method, path, **params)
        body: Body = json.loads(answer.body)
        return body

    async def get(self, path: str, **params: Any) -> Body:  # Any: parameters
        """Return the object or list at the path below `/v1`."""
        return await self.ask("get", f"/v1/{path}", **params)

    async def post(self, path: str, **params: Any) -> Body:  # Any: parameters
        """Post to the path below `/v1`."""
        return await self.ask("post", f"/v1/{path}", **params)

    async def delete(self, path: str, **params: Any) -> Body:  # Any: parameters
        """Delete what is at the path below `/v1`."""
        return await self.ask("delete", f"/v1/{path}", **params)

    async def all(self, path: str, **params: Any) -> list[Body]:  # Any: parameters
        """Return the objects of a list, the oldest first."""
        found: list[Body] = (await self.get(path, limit=100, **params))["data"]
        return found[::-1]

    async def advance(self, days: float) -> None:
        """Move the clock, and let everything happen that falls due."""
        await self.ask("post", "/_sandbox/clock", advance_s=int(days * DAY_S))

    def now_s(self) -> int:
        """Return the sandbox's time."""
        return self.ledger.clock.now_s()

    async def visit(self, url: str, card: str) -> int:
        """Send the form of a hosted page, and return the status of the answer."""
        form = {"card": card, "email": "ann@example.org"}
        async with self.http.post(url, data=form, allow_redirects=False) as answer:
            return answer.status

    async def customer(self, card: str | None = "pm_card_visa") -> Body:
        """Create a customer whose invoices are charged to the test card, if there is one."""
        if card is None:
            return await self.post("customers", email="ann@example.org")
        return await self.post(
            "customers",
            email="ann@example.org",
            payment_method=card,
            invoice_settings={"default_payment_method": card},
        )

    async def use_card(self, customer: str, card: str) -> Body:
        """Replace the customer's card."""
        method = await self.post(f"payment_methods/{card}/attach", customer=customer)
        return await self.post(
            f"customers/{customer}",
            invoice_settings={"default_payment_method": method["id"]},
        )

    async def subscribe(
        self, *prices: str, card: str | None = "pm_card_visa", **params: Any
    ) -> Body:  # Any: parameters
        """Subscribe a new customer to the prices."""
        customer = await self.customer(card)
        items = [{"price": f"price_{name}"} for name in prices or ("month",)]
        return await self.post("subscriptions", customer=customer["id"], items=items, **params)

    async def change(self, subscription: Body, **params: Any) -> Body:  # Any: parameters
        """Update the subscription."""
        return await self.post(f"subscriptions/{subscription['id']}", **params)

    async def read(self, subscription: Body) -> Body:
        """Return the subscription as it is now."""
        return await self.get(f"subscriptions/{subscription['id']}")

    async def invoices(self, subscription: Body) -> list[Body]:
        """Return the subscription's invoices, the oldest first."""
        return await self.all("invoices", subscription=subscription["id"])

    async def events(self, prefix: str = "") -> list[Body]:
        """Return all events whose type starts so, the oldest first."""
        found = self.ledger.store.oldest("event")
        return [event for event in found if event["type"].startswith(prefix)]

    async def event_types(self, prefix: str = "") -> list[str]:
        """Return the types of the events, the oldest first."""
        return [event["type"] for event in await self.events(prefix)]


def exchange(subscription: Body, price: str) -> list[Body]:
    """Return the `items` that put another price in the place of the subscription's first one."""
    return [{"id": subscription["items"]["data"][0]["id"], "price": f"price_{price}"}]


def prices_of(subscription: Body) -> list[str]:
    """Return the ids of the prices that the subscription's items have."""
    return [item["price"]["id"] for item in subscription["items"]["data"]]


def memory_settings(url: str, catalog: tuple[CatalogEntry, ...] = CATALOG) -> Settings:
    """Return settings of a stand-in in memory, without deliveries and without a task."""
    return Settings(
        data=None,
        public_url=url,
        webhook_url=f"{url}/nobody",
        webhook_secret=WEBHOOK_SECRET,
        api_key=API_KEY,
        catalog=catalog,
        wall_s=lambda: float(START_S),
        is_delivering=False,
    )


@asynccontextmanager
async def open_account(catalog: tuple[CatalogEntry, ...] = CATALOG) -> AsyncIterator[Account]:
    """Run the stand-in with `memory_settings` on a free port."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=64)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    app = create_app(memory_settings(url, catalog))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    http = StripeHTTPClient(20.0)
    try:
        await web.SockSite(runner, sock).start()
        client = stripe.StripeClient(
            API_KEY, base_addresses={"api": url}, http_client=http, max_network_retries=0
        )
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser:
            yield Account(url, app[COURIER], client, app[LEDGER], browser)
    finally:
        await http.close_async()
        await runner.cleanup()
