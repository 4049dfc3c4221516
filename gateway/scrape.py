"""`GET /metrics`: the numbers of this process, for admins with the scope `metrics:read`."""

from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from billing.api.dispatch import or_problem, request_id_of
from billing.api.ports import Door
from billing.storage.pool import Database
from gateway.metrics import Metrics

_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Scrape:
    """Shows the numbers to whoever may see them."""

    def __init__(self, door: Door, metrics: Metrics, database: Database, public_url: str) -> None:
        self._door = door
        self._metrics = metrics
        self._database = database
        self._public_url = public_url

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get("/metrics", self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a scrape, or tell why not as the API does."""
        return await or_problem(request, self._public_url, self._show(request))

    async def _show(self, request: web.Request) -> web.Response:
        caller = await self._door.authenticate(request)
        await self._door.permit(caller, "metrics:read", request_id=request_id_of(request))
        body = await self._metrics.render(self._database)
        return web.Response(body=body, headers=_HEADERS | {"Content-Type": CONTENT_TYPE_LATEST})
