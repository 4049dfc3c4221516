"""What the routes of one app have to be, so that each can be reached and none surprises."""

from collections.abc import Iterator

from gateway.config.app_schema import AppConfig
from gateway.config.source import KeyPath


def check_routes(app: AppConfig, at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield what is wrong, each with its place; `at` is the place of the routes."""
    if not any(route.path == "/" and route.methods is None for route in app.routes):
        yield at[:-1], f"{app.id} needs a route for '/' and all methods: the rest would be 404"
    seen: set[tuple[str, str | None]] = set()
    for index, route in enumerate(app.routes):
        here = (*at, index)
        methods = dict.fromkeys(route.methods) if route.methods else (None,)
        if any((route.path, method) in seen for method in methods):
            yield (*here, "path"), f"{app.id} has a route for {route.path!r} already"
        seen.update((route.path, method) for method in methods)
        if route.access != "entitled" and route.feature != "access":
            yield (*here, "feature"), "a feature is asked for only where access is entitled"
