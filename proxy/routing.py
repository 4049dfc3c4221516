"""From a canonical request to an app and the route of it that applies."""

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.canonical import CanonicalRequest
from proxy.settings import App, Route


@dataclass(frozen=True, slots=True)
class Matched:
    """The app and the one route that decides."""

    app: App
    route: Route


class RouteTable:
    """An immutable table: exact host, then the longest path. No match means no access."""

    def __init__(self, apps: Iterable[App]) -> None:
        self._apps = {app.host: app for app in apps}
        self._routes = {
            app.host: tuple(Matched(app, r) for r in sorted(app.routes, key=_precedence))
            for app in self._apps.values()
        }

    def find_app(self, host: str) -> App | None:
        """Return the app at the host, or None."""
        return self._apps.get(host)

    def match(self, request: CanonicalRequest) -> Matched | None:
        """Return what applies to the request, or None, which is a 404 and never a pass."""
        for matched in self._routes.get(request.host, ()):
            if _covers(matched.route, request):
                return matched
        return None


def _covers(route: Route, request: CanonicalRequest) -> bool:
    if route.methods is not None and request.method not in route.methods:
        return False
    if route.path.endswith("/"):
        return request.text.startswith(route.path)
    return request.text == route.path


def _precedence(route: Route) -> tuple[int, bool, bool]:
    """Order the longest path first; on a tie, the one that names methods, then the exact."""
    return (-len(route.path), route.methods is None, route.path.endswith("/"))
