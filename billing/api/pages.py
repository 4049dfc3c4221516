"""`/openapi.json` for whoever has a token, and `/docs`, the page that asks for one and shows it.

Nothing answers without a role: the page and its files are the same for everybody and hold
nothing of ours. They come from this machine alone, and the page may load nothing else.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiohttp import web

from billing.api.dispatch import or_problem
from billing.api.openapi import Site, document_of
from billing.api.ports import Door
from billing.api.reading import check_accept

_STATIC: Final = Path(__file__).parent / "static"
_FILES: Final[Mapping[str, tuple[Path, str]]] = {
    "docs.js": (_STATIC / "docs.js", "text/javascript"),
    "docs.css": (_STATIC / "docs.css", "text/css"),
    "swagger-ui-bundle.js": (_STATIC / "swagger-ui/swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (_STATIC / "swagger-ui/swagger-ui.css", "text/css"),
}
# Swagger UI draws its icons from data: URLs.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Asked for again each time, and answered 304 while it is the same.
    "Cache-Control": "no-cache",
}


class DocumentPages:
    """Tells what the API is."""

    def __init__(self, door: Door, site: Site) -> None:
        self._door = door
        self._public_url = site.public_url
        self._document = json.dumps(document_of(site))

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the document, the page, and the page's files."""
        return [
            web.get("/openapi.json", self.tell),
            web.get("/docs", self.show),
            web.get("/docs/{file}", self.give),
        ]

    async def tell(self, request: web.Request) -> web.Response:
        """Tell the document to whoever has a token, of any role."""
        return await or_problem(request, self._public_url, self._tell(request))

    async def _tell(self, request: web.Request) -> web.Response:
        check_accept(request.headers.getall("Accept", ()))
        await self._door.authenticate(request)
        return web.Response(
            text=self._document,
            content_type="application/json",
            headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        )

    async def show(self, _request: web.Request) -> web.FileResponse:
        """Show the page, which asks for a token."""
        return web.FileResponse(_STATIC / "docs.html", headers=_HEADERS)

    async def give(self, request: web.Request) -> web.FileResponse:
        """Give a file of the page."""
        found = _FILES.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        path, content_type = found
        return web.FileResponse(path, headers=_HEADERS | {"Content-Type": content_type})
