"""The control application: the gateway's own pages, webhooks and health, behind a private socket.

The proxy passes the gateway's own routes here like to any other upstream, so that
templates, the provider's SDK and slow calls never stand in the way of paid traffic.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from billing.api import problems as api_problems
from gateway.health import Health
from proxy import problems

_log = structlog.get_logger("gateway.control")

# Forms and sign-ins are small; webhooks have a limit of their own.
_BODY_LIMIT_BYTES = 64 * 1024
# Who waits for the pages is not told how long it takes; about as often as it is tried.
_AGAIN_S: Final = "5"


class ControlServer:
    """Serves the control application on a unix socket that only this user can open."""

    def __init__(self, app: web.Application, socket_path: Path) -> None:
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        self._socket_path = socket_path
        self._inode = 0

    async def start(self) -> None:
        """Accept connections, in the place of whoever did so on the path before.

        At once: whoever connects comes to the one or the other.
        """
        await self._runner.setup()
        # No longer than the socket's own name: a path may have few characters more.
        made = self._socket_path.with_name(f"new.{os.getpid()}")
        made.unlink(missing_ok=True)
        await web.UnixSite(self._runner, made).start()
        self._inode = made.stat().st_ino
        made.rename(self._socket_path)

    async def stop(self) -> None:
        """Let open requests end, and accept no more."""
        await self._runner.cleanup()
        try:
            is_ours = self._socket_path.stat().st_ino == self._inode
        except FileNotFoundError:
            return
        if is_ours:
            self._socket_path.unlink(missing_ok=True)


def create_control_app() -> web.Application:
    """Return an application with what needs nothing from anybody: the meaning of problems."""
    app = web.Application(middlewares=[_hide_trouble], client_max_size=_BODY_LIMIT_BYTES)
    app.add_routes([web.get("/problems/{name}", _explain)])
    app.on_response_prepare.append(_name_server)
    return app


async def _name_server(_request: web.Request, answer: web.StreamResponse) -> None:
    """Say what the proxy's own answers say, and no versions of what is beneath."""
    answer.headers["Server"] = "tollway"


def create_waiting_app(health: Health) -> web.Application:
    """Return what stands in for the pages until the database answers: health, and else "later"."""
    app = create_control_app()
    app.add_routes(health.routes())
    app.router.add_route("*", "/{path:.*}", _put_off)
    return app


async def _put_off(request: web.Request) -> web.Response:
    """Ask to come again; a provider sends its webhook again by itself."""
    # Not kept open, since the pages are about to take our place.
    headers = {"Retry-After": _AGAIN_S, "Connection": "close"}
    return _tell(request, api_problems.TRY_AGAIN, headers)


async def _explain(request: web.Request) -> web.Response:
    """Tell whoever follows a problem document's type what it means."""
    name = request.match_info["name"]
    for found in (*problems.ALL, *api_problems.ALL):
        if found.name == name:
            return web.Response(text=f"{found.title} ({found.status})\n\n{found.meaning}\n")
    raise web.HTTPNotFound


@web.middleware
async def _hide_trouble(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an unforeseen error without its inner detail; the log has it."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception:  # noqa: BLE001 - the top of a request: logged, and told as an error
        request_id = request.headers.get("X-Request-Id", "")
        _log.exception("control_failed", path=request.path, request_id=request_id)
        return _tell(request, problems.INTERNAL_ERROR, {})


def _tell(
    request: web.Request,
    told: problems.Problem | api_problems.ApiProblem,
    headers: Mapping[str, str],
) -> web.Response:
    body = {
        "type": f"/problems/{told.name}",
        "title": told.title,
        "status": told.status,
        "request_id": request.headers.get("X-Request-Id", ""),
    }
    return web.json_response(
        body, status=told.status, headers=headers, content_type="application/problem+json"
    )
