"""Where a request is meant to go: read once, by host, path and method alone."""

from functools import lru_cache
from typing import NamedTuple

from proxy.canonical import AMBIGUOUS_ESCAPE, CanonicalRequest, Rejected, parse_request
from proxy.routing import Matched, RouteTable
from proxy.settings import RESERVED_PREFIX, ProxySettings

# Asked by probes that know our address and not our name.
_PROBES = frozenset({"/healthz", "/readyz", "/version"})
# Few targets are asked for most of the time. With the longest targets, some 25 MB.
_REMEMBERED = 1024


class Destination(NamedTuple):
    """`matched` is None where no route covers it; `is_own` is for the gateway itself.

    `line` is the request line for whoever it goes to, and the Host field.
    """

    canonical: CanonicalRequest
    line: bytes
    matched: Matched | None
    is_own: bool


class Destinations:
    """Reads request lines, and remembers those that come again and again."""

    def __init__(self, settings: ProxySettings, table: RouteTable) -> None:
        self._settings = settings
        self._table = table
        self.read = lru_cache(_REMEMBERED)(self._read)
        """Returns the destination of a method, a target and the Host fields, or a refusal."""

    def _read(self, method: str, target: str, hosts: tuple[str, ...]) -> Destination | Rejected:
        limit = self._settings.url_limit_bytes
        canonical = parse_request(method, target, hosts, limit, encoded_slash=True)
        if isinstance(canonical, Rejected):
            return canonical
        if canonical.other_reading is not None and not self._reads_alike(canonical):
            return AMBIGUOUS_ESCAPE
        line = f"{method} {canonical.target} HTTP/1.1\r\nHost: {canonical.authority}\r\n"
        is_own = self._is_own(canonical)
        matched = None if is_own else self._table.match(canonical)
        return Destination(canonical, line.encode(), matched, is_own)

    def disagree(self, server_name: str, destination: Destination) -> bool:
        """Tell whether TLS asked for one host of ours, and the request names another.

        A name that is none of ours says nothing: a load balancer that speaks TLS to us may
        send its own (RFC 9110 section 7.4, RFC 6066 section 3).
        """
        if server_name == destination.canonical.host:
            return False
        is_public = server_name == self._settings.public_host
        return is_public or self._table.find_app(server_name) is not None

    def _reads_alike(self, canonical: CanonicalRequest) -> bool:
        """Tell whether the route that decides allows `%2F`, and decides however it is read.

        An app may take it for a slash. If another route decided over the path that the app
        then sees, a door could be reached by the way to another one (Envoy CVE-2021-29492).
        """
        other = canonical._replace(text=canonical.other_reading or "")
        if self._is_own(canonical) or self._is_own(other):
            return False
        matched, matched_other = self._table.match(canonical), self._table.match(other)
        return (
            matched is not None
            and matched_other is not None
            and matched.route is matched_other.route
            and matched.route.allow_encoded_slash
        )

    def _is_own(self, canonical: CanonicalRequest) -> bool:
        """Tell whether the gateway itself answers here, and no app."""
        if canonical.host == self._settings.public_host:
            return True
        if self._table.find_app(canonical.host) is None:
            return canonical.text in _PROBES
        return canonical.text.startswith(RESERVED_PREFIX)
