"""What the request path is configured with; built by `gateway.wiring` from config.yaml."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from policies.requirement import Requirement

RESERVED_PREFIX = "/.tollway/"
"""Paths of ours on every app's host; an app's own paths never begin so."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Patience with an app, in seconds; nothing limits how long an answer takes as a whole."""

    connect_s: float
    first_byte_s: float
    idle_s: float


@dataclass(frozen=True, slots=True)
class Route:
    """A part of an app. `path` ending in `/` is a prefix, otherwise it is exact.

    `methods` None means every method, `timeouts` None those of the settings, and
    `body_limit_bytes` None any upload. What goes on for long is told `warning_s` before it is
    ended for want of payment. `allow_encoded_slash` takes paths with `%2F`, as long as
    no other route would decide if it were a slash.
    """

    path: str
    requirement: Requirement
    methods: frozenset[str] | None = None
    timeouts: Timeouts | None = None
    body_limit_bytes: int | None = None
    allow_encoded_slash: bool = False
    warning_s: float = 0.0


class Balance(StrEnum):
    """How the next of an app's servers is chosen."""

    ROUND_ROBIN = "round_robin"
    LEAST_CONNECTIONS = "least_connections"


@dataclass(frozen=True, slots=True)
class UpstreamTLS:
    """How https servers are known; `ca_file` None is the system's authorities.

    `server_name` None is the host of the URL (SNI, and the name in the certificate).
    """

    ca_file: str | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """How an app's servers are asked whether they are well: `path` with GET, every `interval_s`.

    So many answers in a row as `healthy_after` and `unhealthy_after` say change what is
    thought of a server. `statuses` None are 200 to 299.
    """

    path: str
    interval_s: float
    timeout_s: float
    healthy_after: int = 2
    unhealthy_after: int = 3
    statuses: frozenset[int] | None = None

    def is_good(self, status: int) -> bool:
        """Tell whether a server that answers so is well."""
        return 200 <= status <= 299 if self.statuses is None else status in self.statuses


@dataclass(frozen=True, slots=True)
class App:
    """An app behind the gateway.

    `upstreams` are its servers: `http://127.0.0.1:9001`, `https://…` or `unix:/run/app.sock`.
    `failures` in a row shut a server out for `cooldown_s`; `health` None asks none of them.
    """

    id: str
    name: str
    host: str
    upstreams: tuple[str, ...]
    routes: tuple[Route, ...]
    balance: Balance = Balance.ROUND_ROBIN
    tls: UpstreamTLS = UpstreamTLS()
    failures: int = 5
    cooldown_s: float = 2.0
    health: HealthChecks | None = None


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Whose bearer tokens are taken; `key` is a secret (HS256) or a PEM public key."""

    issuer: str
    audience: str
    algorithm: str
    key: str


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """Limits and time-outs; `negative_ttl_s` is how long a refusal may rest on one look.

    `connections_per_address` 0 is no limit.
    """

    public_url: str
    public_host: str
    signing_key: bytes
    target_ttl_s: int
    negative_ttl_s: float
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    upstream_connections: int
    url_limit_bytes: int
    header_limit_bytes: int = 16_384
    header_count_limit: int = 100
    head_limit_bytes: int = 65_536
    own_body_limit_bytes: int = 1024 * 1024
    keepalive_timeout_s: float = 75.0
    head_timeout_s: float = 15.0
    body_timeout_s: float = 60.0
    write_timeout_s: float = 60.0
    half_closed_timeout_s: float = 10.0
    upstream_idle_s: float = 30.0
    connections_per_address: int = 0
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    @property
    def timeouts(self) -> Timeouts:
        """Return the patience with apps where a route says nothing else."""
        return Timeouts(self.connect_timeout_s, self.first_byte_timeout_s, self.idle_timeout_s)

    @property
    def is_secure(self) -> bool:
        """Tell whether visitors come over https, so that cookies may demand it."""
        return self.public_url.startswith("https://")

    @property
    def session_cookie(self) -> str:
        """Return the name of the session cookie; `__Host-` pins it to one https host."""
        return "__Host-tollway" if self.is_secure else "tollway"

    @property
    def flow_cookie(self) -> str:
        """Return the name of the cookie that binds a sign-in to the browser that began it."""
        return "__Host-tollway-flow" if self.is_secure else "tollway-flow"
