"""The control application: the gateway's own pages, webhooks and health, behind a private socket.

The proxy passes the gateway's own routes here like to any other upstream, so that
templates, the provider's SDK and slow calls never stand in the way of paid traffic.
"""

from pathlib import Path

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from billing.api import problems as api_problems
from proxy import problems

_log = structlog.get_logger("gateway.control")

# Forms and sign-ins are small; webhooks have a limit of their own.
_BODY_LIMIT_BYTES = 64 * 1024


class ControlServer:
    """Serves the control application on a unix socket that only this user can open."""

    def __init__(self, app: web.Application, socket_path: Path) -> None:
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        self._socket_path = socket_path

    async def start(self) -> None:
        """Accept connections; a socket left by a process that was killed is replaced."""
        self._socket_path.unlink(missing_ok=True)
        await self._runner.setup()
        await web.UnixSite(self._runner, self._socket_path).start()

    async def stop(self) -> None:
        """Let open requests end, and accept no more."""
        await self._runner.cleanup()
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
        told = problems.INTERNAL_ERROR
        body = {
            "type": f"/problems/{told.name}",
            "title": told.title,
            "status": told.status,
            "request_id": request_id,
        }
        return web.json_response(body, status=500, content_type="application/problem+json")
