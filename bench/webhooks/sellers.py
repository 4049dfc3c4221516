"""What was sold before: clients of ours, and their subscriptions at the payment sandbox."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import stripe

from bench.errors import BenchError
from billing.crypto.keyring import KeyRing
from billing.storage.clients import get_or_create_client
from billing.storage.migrate import migrate
from billing.storage.pool import Database

API_VERSION: Final = stripe.api_version
"""In which events are written, as an endpoint is set up that we made."""

_PRICE = "price_api_1"
_AT_ONCE = 8
_CALL_S = 20.0
_PAGE = 100
# A share of what was sold ends after its events were written: a body is not what counts.
_ENDED_OF = 10


class Sandbox:
    """The payment sandbox's API."""

    def __init__(self, url: str, api_key: str) -> None:
        self._http = aiohttp.ClientSession(
            url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=aiohttp.ClientTimeout(total=_CALL_S),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.close()

    async def call(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        """Call the API and return what it answers.

        Raises:
            BenchError: it did not answer, or did not do what it was asked for.
        """
        try:
            async with self._http.request(method, path, **what) as answer:
                body: dict[str, Any] = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise BenchError(f"the payment sandbox does not answer: {error!r}") from error
        if answer.status != 200:
            raise BenchError(f"{path}: the payment sandbox answers {answer.status}")
        return body

    async def list_subscriptions(self) -> list[dict[str, Any]]:
        """Return every subscription as it is now, ended ones too."""
        found: list[dict[str, Any]] = []
        params = {"status": "all", "limit": str(_PAGE)}
        while True:
            page = await self.call("GET", "/v1/subscriptions", params=params)
            found += page["data"]
            if not page["has_more"]:
                return found
            params["starting_after"] = found[-1]["id"]


@dataclass(frozen=True, slots=True)
class Sold:
    """Subscriptions as they were when their events were written."""

    subscriptions: tuple[dict[str, Any], ...]

    @property
    def numbers_ended(self) -> range:
        """The numbers of those that end later."""
        return range(0, len(self.subscriptions), _ENDED_OF)


async def sell(sandbox: Sandbox, database_url: str, data_key: str, site: str, count: int) -> Sold:
    """Make so many clients with a subscription each; the sandbox tells nobody of them.

    Raises:
        BenchError: the sandbox did not take one.
    """
    await sandbox.call("POST", "/_sandbox/delivery", json={"hold": True})
    clients = await _clients(database_url, data_key, count)
    places = asyncio.Semaphore(_AT_ONCE)

    async def subscribe_one(client_id: str) -> dict[str, Any]:
        async with places:
            return await subscribe(sandbox, client_id, site)

    return Sold(tuple(await asyncio.gather(*map(subscribe_one, clients))))


async def end_some(sandbox: Sandbox, sold: Sold) -> None:
    """End those subscriptions that end, after their events said that they are active."""
    for number in sold.numbers_ended:
        await sandbox.call("DELETE", f"/v1/subscriptions/{sold.subscriptions[number]['id']}")


async def _clients(database_url: str, data_key: str, count: int) -> list[str]:
    database = await Database.open(database_url, size=2, ring=KeyRing.of([data_key]))
    try:
        await migrate(database)
        async with database.transaction() as connection:
            return [
                await get_or_create_client(connection, f"bench-{number}") for number in range(count)
            ]
    finally:
        await database.close()


async def subscribe(sandbox: Sandbox, client_id: str, site: str) -> dict[str, Any]:
    """Let a client of the site subscribe as a new customer, and return the subscription.

    Raises:
        BenchError: the sandbox did not take it.
    """
    customer = await sandbox.call(
        "POST",
        "/v1/customers",
        data={
            "payment_method": "pm_card_visa",
            "invoice_settings[default_payment_method]": "pm_card_visa",
        },
    )
    return await sandbox.call(
        "POST",
        "/v1/subscriptions",
        data={
            "customer": customer["id"],
            "items[0][price]": _PRICE,
            "metadata[tollway_client]": client_id,
            "metadata[tollway_site]": site,
        },
    )
