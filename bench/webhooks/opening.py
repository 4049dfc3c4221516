"""How soon who has paid is let in: from Postgres's commit until each of two gateways allows.

Both are asked again and again meanwhile, by a client whom they have just refused; only one of
them applies the event, and the other has nothing but the notice of it.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Final

import aiohttp
import stripe
from aiohttp import web

from bench.answering import open_app
from bench.errors import BenchError
from bench.result import Figure, Section, judged
from bench.stacks.tollway import APP, make_token
from bench.stats import spread_of
from bench.targets import OPENED_MS
from bench.webhooks.events import write_event
from bench.webhooks.inbox import get_committed_s, looking
from bench.webhooks.sellers import API_VERSION, Sandbox, Sold, subscribe
from bench.webhooks.shop import Serving, Shop, serving

_REFUSED: Final = 402
_ASK_EVERY_S: Final = 0.001
_CALL_S: Final = 20.0
# Beyond those of the events that were sent before.
_FIRST_EVENT: Final = 10_000_000


async def measure_opening(shop: Shop, sandbox: Sandbox, sold: Sold, count: int) -> Section:
    """Let so many clients whose subscriptions have ended buy again, one after the other.

    Raises:
        BenchError: one was let in before, or never.
    """
    waited_ms: list[float] = []
    async with (
        open_app() as app_url,
        serving(shop, applies=True, app_url=app_url) as one,
        serving(shop, applies=False, app_url=app_url) as other,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_CALL_S)) as http,
    ):
        for number in sold.numbers_ended[:count]:
            client_id = sold.subscriptions[number]["metadata"]["tollway_client"]
            visits = [_Visit(http, where, _token(shop, number)) for where in (one, other)]
            if {await visit.ask() for visit in visits} != {_REFUSED}:
                raise BenchError("a client whose subscription has ended was not refused")
            bought = await subscribe(sandbox, client_id, shop.host)
            body = write_event(
                _FIRST_EVENT + number, json.dumps(bought), int(time.time()), API_VERSION
            )
            opened_s, _ = await asyncio.gather(
                _opened_s(visits),
                _send(http, one, shop, body),
            )
            async with looking(shop.database_url) as connection:
                committed_s = await get_committed_s(connection, client_id)
            waited_ms.append((opened_s - committed_s) * 1000)
    return _section(waited_ms)


class _Visit:
    """A client of one gateway's app."""

    def __init__(self, http: aiohttp.ClientSession, where: Serving, token: str) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{where.port}/"
        self._headers = {"Host": f"{APP}.localhost", "Authorization": f"Bearer {token}"}

    async def ask(self) -> int:
        async with self._http.get(self._url, headers=self._headers) as answer:
            return answer.status

    async def opened_s(self) -> float:
        """Ask until it is let in, and return when it was."""
        try:
            async with asyncio.timeout(_CALL_S):
                while (status := await self.ask()) == _REFUSED:  # noqa: ASYNC110 - it is measured
                    await asyncio.sleep(_ASK_EVERY_S)
        except TimeoutError:
            raise BenchError("who has paid was never let in") from None
        if status != web.HTTPOk.status_code:
            raise BenchError(f"who has paid is answered {status}")
        return time.time()


async def _opened_s(visits: Sequence[_Visit]) -> float:
    """Ask at all of them, and return when the last one opened."""
    return max(await asyncio.gather(*(visit.opened_s() for visit in visits)))


def _token(shop: Shop, number: int) -> str:
    return make_token(shop.secrets.TOLLWAY_TOKEN_KEY, number)


async def _send(http: aiohttp.ClientSession, where: Serving, shop: Shop, body: str) -> None:
    secret = shop.secrets.STRIPE_WEBHOOK_SECRET
    signature = stripe.WebhookSignature.generate_signature_header(body, secret)
    headers = {"Host": shop.host, "Stripe-Signature": signature}
    url = f"http://127.0.0.1:{where.port}/webhook"
    async with http.post(url, data=body, headers=headers) as answer:
        if answer.status != web.HTTPOk.status_code:
            raise BenchError(f"a webhook is answered {answer.status}")


def _section(waited_ms: Sequence[float]) -> Section:
    ordered = sorted(waited_ms)
    p50, p99 = (spread_of([ordered[len(ordered) * part // 100]]) for part in (50, 99))
    return Section(
        name="opening",
        title="Until every worker knows",
        how=(
            f"{len(ordered)} clients who were refused a moment ago subscribe, one after the other;"
            " from Postgres's commit of what the webhook gave them until two gateways have both"
            " let them in, asked all the time; one of the gateways applied it, the other was told"
        ),
        figures=(
            Figure(what="commit to allowed, p50", unit="ms", value=p50),
            judged("commit to allowed, p99", "ms", p99, OPENED_MS),
            Figure(what="commit to allowed, most", unit="ms", value=spread_of([ordered[-1]])),
        ),
    )
