"""The gateway is killed outright while it asks the provider: nothing is lost, nothing twice.

Three wishes are under way at once, each held at the stand-in: before it does what it is asked,
or after it did and before it says so. In between, our process is gone.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest

from billing.audit.verify import verify
from billing.storage.pool import Database
from tests.support.sandbox import (
    API_KEY,
    WEBHOOK_SECRET,
    Receiver,
    Sandbox,
    run_receiver,
    run_sandbox,
)
from tests.support.serving import LIMIT_S, Served, environment_of, serve, write_config

# Long enough to be killed within, and soon over: a key that is in use is refused meanwhile.
_HANG_S = 3
_HELD = ("/v1/checkout/sessions", "/v1/subscriptions/", "/v1/refunds")
_PLANS = """
    stripe_price: price_reader_1
    max_quantity: 5
    apps:
      notes: {access: true}
  - id: lifetime
    version: 1
    name: Lifetime
    price: {amount_minor: 500, currency: eur, interval: once}
    stripe_price: price_lifetime_1
    apps:
      notes: {access: true, export: true}
"""


@dataclass
class Market:
    """The stand-in, who gets its webhooks, and all that `serve` needs to sell through it."""

    sandbox: Sandbox
    receiver: Receiver
    file: Path
    environment: dict[str, str]

    async def count(self, kind: str, **where: str) -> int:
        """Return how many objects of a kind the stand-in has."""
        query = "&".join(f"{name}={value}" for name, value in {"limit": "100", **where}.items())
        return len((await self.sandbox.api("GET", f"/v1/{kind}?{query}")).json()["data"])

    async def hold(self, when: str) -> None:
        """Let the next call of each kind be held before or after it is carried out."""
        for path in _HELD:
            fault = {"kind": "hang", "path": path, "method": "POST", "seconds": _HANG_S}
            await self.sandbox.control("POST", "faults", fault | {"when": when})

    async def all_held(self) -> None:
        """Wait until all that was to be held is."""

        async def is_so() -> bool:
            return not (await self.sandbox.control("GET", "faults"))["faults"]

        await until_so(is_so)


async def until_so(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask until something holds that can only be asked for."""
    async with asyncio.timeout(LIMIT_S):
        while not await holds():  # noqa: ASYNC110 - other processes set no Event
            await asyncio.sleep(0.02)


@pytest.fixture
async def market(tmp_path: Path, database_url: str) -> AsyncIterator[Market]:
    with TemporaryDirectory(prefix="run-") as run:
        async with (
            run_receiver() as receiver,
            run_sandbox(tmp_path / "sandbox", receiver.url, time.time) as sandbox,
        ):
            file = write_config(tmp_path / "my.yaml", "http://127.0.0.1:1")
            text, account = file.read_text(), "  stripe:\n"
            start, end = text.index("    stripe_price"), text.index("apps:\n  - id")
            text = text[:start] + _PLANS.lstrip("\n") + text[end:]
            own = f"{account}    api_url: {sandbox.url}\n    retries: 0\n"
            file.write_text(text.replace(account, own))
            environment = environment_of(database_url, Path(run)) | {
                "STRIPE_KEY": API_KEY,
                "WEBHOOK_SECRET": WEBHOOK_SECRET,
            }
            yield Market(sandbox, receiver, file, environment)


@dataclass
class Desk:
    """An operator's program; it repeats what is not answered, with the same key."""

    served: Served
    token: str

    async def ask(self, method: str, path: str, body: object = None, key: str = "") -> Any:
        """Make a call until it is answered, and return what it says."""
        headers = {"Host": "checkout.localhost", "Authorization": f"Bearer {self.token}"}
        if key:
            headers["Idempotency-Key"] = key
        url = f"http://127.0.0.1:{self.served.port}{path}"
        async with asyncio.timeout(LIMIT_S), aiohttp.ClientSession(headers=headers) as session:
            while True:
                async with session.request(method, url, json=body) as answer:
                    if "Retry-After" not in answer.headers:
                        assert answer.ok, await answer.text()
                        return await answer.json()
                await asyncio.sleep(0.2)


async def desk_at(served: Served) -> Desk:
    code, token = await served.command("token", "--role", "admin")
    assert code == 0, token
    return Desk(served, token.strip())


@dataclass(frozen=True)
class Wishes:
    """What is asked for at once: a purchase, more of a subscription, money back."""

    client_id: str
    subscription_id: str
    payment_id: str

    async def buy(self, desk: Desk, key: str) -> Any:
        """Ask for the page of the purchase."""
        order = {"client_id": self.client_id, "plan": "lifetime"}
        return await desk.ask("POST", "/payments", order, f"buy-{key}")

    async def ask(self, desk: Desk, key: str) -> tuple[Any, Any, Any]:
        """Ask for all of them, each once by its key."""
        more = {
            "client_id": self.client_id,
            "subscription_id": self.subscription_id,
            "quantity": 2,
        }
        back = {"amount_minor": 100, "reason": "late"}
        return await asyncio.gather(
            self.buy(desk, key),
            desk.ask("POST", "/subscriptions", more, f"more-{key}"),
            desk.ask("POST", f"/payments/{self.payment_id}/refunds", back, f"back-{key}"),
            return_exceptions=True,
        )


async def subscribed(market: Market, desk: Desk) -> Wishes:
    """Let a new client subscribe, and return what it may wish for then."""
    client = await desk.ask("POST", "/clients", {"external_id": "ann"})
    order = {"client_id": client["id"], "plan": "reader"}
    begun = await desk.ask("POST", "/payments", order)
    assert (await market.sandbox.pay(begun["checkout_url"])).status == 303
    told = await market.receiver.wait_for("checkout.session.completed")
    url = f"http://127.0.0.1:{desk.served.port}/webhook"
    headers = told.headers | {"Host": "checkout.localhost"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, data=told.body) as answer,
    ):
        assert answer.status == 200

    async def is_paid() -> bool:
        return bool((await desk.ask("GET", f"/payments/{begun['id']}"))["status"] == "paid")

    await until_so(is_paid)
    payment = await desk.ask("GET", f"/payments/{begun['id']}")
    return Wishes(client["id"], payment["subscription_id"], begun["id"])


async def let_a_minute_pass(database: Database) -> None:
    """Make what is under way a minute older than it is: then its process is taken for dead."""
    async with database.transaction() as connection:
        for table, column in (
            ("idempotent_requests", "claimed_at"),
            ("provider_commands", "created_at"),
        ):
            await connection.execute(
                f"update {table} set {column} = {column} - interval '2 minutes'"
            )


async def is_all_settled(database: Database) -> bool:
    async with database.connection() as connection:
        return not await connection.fetchval(
            "select count(*) from provider_commands where state = 'pending'"
        )


@pytest.mark.parametrize("repeats", [True, False], ids=["repeated", "left to the janitor"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_is_cut_off_by_a_kill_is_done_once(
    market: Market, database: Database, when: str, *, repeats: bool
) -> None:
    key = uuid.uuid4().hex
    async with serve(market.file, market.environment) as served:
        desk = await desk_at(served)
        wishes = await subscribed(market, desk)
        await market.hold(when)
        asking = asyncio.create_task(wishes.ask(desk, key), name="asking")
        await market.all_held()
        served.process.kill()
        await served.gone()
        cut_off = await asking
    assert all(isinstance(answer, aiohttp.ClientError) for answer in cut_off)
    await let_a_minute_pass(database)

    async with serve(market.file, market.environment) as served:
        desk = await desk_at(served)
        if repeats:
            bought, *_ = await wishes.ask(desk, key)
        else:
            await until_so(lambda: is_all_settled(database))
            # Whoever has forgotten the key buys again, and finds the same page.
            bought = await wishes.buy(desk, uuid.uuid4().hex)
        held = await desk.ask("GET", f"/subscriptions/{wishes.client_id}")
        paid = await desk.ask("GET", f"/payments/{wishes.payment_id}")

    assert bought["status"] == "open"
    assert [item["quantity"] for s in held["items"] for item in s["items"]] == [2]
    assert paid["refunded_minor"] == 100
    assert await market.count("checkout/sessions", status="open") == 1
    assert await market.count("invoices") == 2
    assert await market.count("charges") == 2
    assert await market.count("refunds") == 1
    assert not (await verify(database, {})).faults
    assert await is_all_settled(database)
