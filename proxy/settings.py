"""What the request path is configured with; built by `gateway.wiring` from config.yaml."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from policies.requirement import Requirement

RESERVED_PREFIX = "/.tollway/"
"""Paths of ours on every app's host; an app's own paths never begin so."""


@dataclass(frozen=True, slots=True)
class Route:
    """A part of an app. `path` ending in `/` is a prefix, otherwise it is exact.

    `methods` None means every method.
    """

    path: str
    requirement: Requirement
    methods: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class App:
    """An app behind the gateway; `upstreams` are origins such as `http://127.0.0.1:9001`."""

    id: str
    name: str
    host: str
    upstreams: tuple[str, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Whose bearer tokens are taken; `key` is a secret (HS256) or a PEM public key."""

    issuer: str
    audience: str
    algorithm: str
    key: str


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """Limits and time-outs; `negative_ttl_s` is how long a refusal may rest on one look."""

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
    own_body_limit_bytes: int = 1024 * 1024
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()

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
