"""What the routes of one app have to be, so that each can be reached and none surprises."""

from collections.abc import Iterator
from urllib.parse import quote

from gateway.config.schema import AppConfig
from gateway.config.source import KeyPath
from proxy.canonical import Rejected, parse_path
from proxy.settings import RESERVED_PREFIX

# What a path may hold without an escape (RFC 3986, section 3.3), but `%`.
_PLAIN = "/-._~!$&'()*+,=:@"


def check_routes(app: AppConfig, at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield what is wrong, each with its place; `at` is the place of the routes."""
    if not any(route.path == "/" and route.methods is None for route in app.routes):
        yield at[:-1], f"{app.id} needs a route for '/' and all methods: the rest would be 404"
    seen: set[tuple[str, str | None]] = set()
    for index, route in enumerate(app.routes):
        here = (*at, index)
        if objection := _objection_to(route.path):
            yield (*here, "path"), objection
        methods = dict.fromkeys(route.methods) if route.methods else (None,)
        if any((route.path, method) in seen for method in methods):
            yield (*here, "path"), f"{app.id} has a route for {route.path!r} already"
        seen.update((route.path, method) for method in methods)
        if route.access != "entitled" and route.feature != "access":
            yield (*here, "feature"), "a feature is asked for only where access is entitled"


def _objection_to(path: str) -> str | None:
    """Return why no request can have the path, decoded as routes are matched, or None."""
    if not path.startswith("/"):
        return "a path begins with /"
    if "?" in path or "#" in path:
        return "a path ends before ? and #; nothing is matched on them"
    if "%" in path:
        return "write the characters themselves, without escapes: paths are matched decoded"
    if not path.isprintable():
        return "a path has no control characters"
    canonical = parse_path(quote(path, safe=_PLAIN))
    if isinstance(canonical, Rejected):
        return f"no request can have this path: {canonical.why}"
    if f"{path}/".startswith(RESERVED_PREFIX):
        return f"paths under {RESERVED_PREFIX} are the gateway's own"
    return None
