"""The paths that a route can have: those that requests can have, decoded as routes are matched."""

from urllib.parse import quote

from proxy.canonical import Rejected, parse_path
from proxy.settings import RESERVED_PREFIX

# What a path may hold without an escape (RFC 3986, section 3.3), but `%`.
_PLAIN = "/-._~!$&'()*+,=:@"


def check_route_path(path: str) -> str:
    """Return the path.

    Raises:
        ValueError: no request can have it, or it is the gateway's own.
    """
    if objection := _objection_to(path):
        raise ValueError(objection)
    return path


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
