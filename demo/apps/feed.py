"""Feed: what happens, as it happens, as server-sent events (HTML Standard, section 9.2)."""

import asyncio
import itertools
from datetime import UTC, datetime

from aiohttp import web

from demo.apps.common import Look, create_app, show

_LOOK = Look("feed", "Feed", "What happens, as it happens.", 95)
_EVERY_S = 1.0


def create_feed() -> web.Application:
    """Return the application."""
    app = create_app(_LOOK)
    app.add_routes([web.get("/", _front), web.get("/events", _stream)])
    return app


async def _front(request: web.Request) -> web.Response:
    return show(request, "feed.html")


async def _stream(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await answer.prepare(request)
    for number in itertools.count(1):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        await answer.write(f"id: {number}\ndata: event {number} at {now}\n\n".encode())
        await asyncio.sleep(_EVERY_S)
    return answer
