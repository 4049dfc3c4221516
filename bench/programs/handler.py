"""A plain reverse proxy on aiohttp, as most people would write one: `handler PORT APP_PORT`.

It has no check, no time-out of its own and no access log. It has uvloop, which most
people would not: what we compare ourselves with gets the best case.
"""

import sys
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web

_APP_URL: web.AppKey[str] = web.AppKey("app_url", str)
_SESSION: web.AppKey[aiohttp.ClientSession] = web.AppKey("session", aiohttp.ClientSession)
_CHUNK_BYTES = 65_536
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te"})


async def _forward(request: web.Request) -> web.StreamResponse:
    headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
    async with request.app[_SESSION].request(
        request.method,
        f"{request.app[_APP_URL]}{request.rel_url}",
        headers=headers,
        data=request.content if request.body_exists else None,
        allow_redirects=False,
    ) as answer:
        passed = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=passed)
        await response.prepare(request)
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            await response.write(chunk)
        await response.write_eof()
        return response


async def _open_session(app: web.Application) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        app[_SESSION] = session
        yield


def main() -> None:
    """Serve until stopped."""
    port, app_port = map(int, sys.argv[1:])
    app = web.Application()
    app[_APP_URL] = f"http://127.0.0.1:{app_port}"
    app.router.add_route("*", "/{path:.*}", _forward)
    app.cleanup_ctx.append(_open_session)
    web.run_app(
        app,
        host="127.0.0.1",
        port=port,
        backlog=4096,
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
