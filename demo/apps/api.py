"""API: the same kind of data for programs, in JSON."""

from aiohttp import web

from demo.apps.common import Look, create_app, received, show

_LOOK = Look("api", "API", "Data for programs, in JSON.", 0)
_ITEMS = [{"id": 1, "name": "Ask Ben about the invoice"}, {"id": 2, "name": "Water the plants"}]


def create_api() -> web.Application:
    """Return the application."""
    app = create_app(_LOOK)
    app.add_routes(
        [web.get("/", _front), web.get("/v1/items", _items), web.get("/v1/whoami", _whoami)]
    )
    return app


async def _front(request: web.Request) -> web.Response:
    return show(request, "api.html")


async def _items(_request: web.Request) -> web.Response:
    return web.json_response({"items": _ITEMS})


async def _whoami(request: web.Request) -> web.Response:
    return web.json_response(dict(received(request)))
