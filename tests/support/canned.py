"""A server that answers with the JSON it was given: the far side of a provider's API."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Json = dict[str, Any]


@dataclass
class Canned:
    """Answers by path; `asked` are the paths, with their query, in order.

    A list under a path is answered by ids as Stripe does: the newest first, in pages.
    """

    url: str = ""
    objects: dict[str, Json] = field(default_factory=dict)
    lists: dict[str, list[Json]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self.asked.append(request.path_qs)
        if request.path in self.lists:
            return web.json_response(_page(self.lists[request.path], dict(request.query)))
        found = self.objects.get(request.path)
        if found is None:
            error = {"type": "invalid_request_error", "message": f"No such {request.path}"}
            return web.json_response({"error": error}, status=404)
        return web.Response(text=json.dumps(found), content_type="application/json")


def _page(rows: list[Json], query: dict[str, str]) -> Json:
    """Return a page of the rows, which begin with the newest, as Stripe's cursors ask for it."""
    after, before = query.get("starting_after"), query.get("ending_before")
    low, high = query.get("created[gte]"), query.get("created[lt]")
    limit = int(query.get("limit", "10"))
    found = [
        row
        for row in rows
        if (low is None or row["created"] >= int(low))
        and (high is None or row["created"] < int(high))
    ]
    ids = [row["id"] for row in found]
    if after is not None:
        found = found[ids.index(after) + 1 :]
    if before is not None:
        # The page just above the cursor: its last rows, not the first of the list.
        found = found[: ids.index(before)]
        return {"object": "list", "data": found[-limit:], "has_more": len(found) > limit}
    return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}


@asynccontextmanager
async def run_canned() -> AsyncIterator[Canned]:
    """Run the server on a free port."""
    canned = Canned()
    app = web.Application()
    app.add_routes([web.route("*", "/{rest:.*}", canned.answer)])
    async with TestServer(app) as server:
        canned.url = str(server.make_url("")).rstrip("/")
        yield canned
