"""The kinds of value that the configuration file holds; what is wrong is said in plain words."""

import re
from ipaddress import ip_address, ip_interface, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, Strict

from gateway.config.redis_url import parse_redis_url
from gateway.config.route_paths import check_route_path
from gateway.config.scalars import Substituted, resolve

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_HOST_CHARS = 253
# As it goes over the wire: escaped, and without a fragment.
_PROBE_TARGET = re.compile(r"/[!-\"$-~]{0,2000}")
# sockaddr_un has 108, the zero at the end among them (unix(7)).
_SOCKET_PATH_BYTES = 107
# Often a URL, so that two issuers' claims do not meet (RFC 7519, section 4.2).
_CLAIM = re.compile(r"[!-~]{1,200}")
_FEATURE_CHARS = 200
ID_PATTERN = r"^[a-z][a-z0-9-]{0,49}$"
FEATURE_PATTERN = r"^[a-z][a-z0-9_]{0,49}$"
CURRENCY_PATTERN = r"^[a-z]{3}$"
METHOD_PATTERN = r"^[A-Z]{1,20}$"
PATTERNS = {
    ID_PATTERN: "lower-case letters, digits and -, beginning with a letter, 50 at most",
    FEATURE_PATTERN: "lower-case letters, digits and _, beginning with a letter, 50 at most",
    CURRENCY_PATTERN: "three lower-case letters, such as eur",
    METHOD_PATTERN: "a method in capitals, such as GET",
}
"""What each pattern means, for the messages."""


def _resolved(value: Any) -> Any:  # any YAML value, before its type is known
    return resolve(value) if isinstance(value, Substituted) else value


def _text(value: Any) -> Any:  # as above
    return str(value) if isinstance(value, Substituted) else value


def _maybe_claim(value: str | None) -> str | None:
    if value is not None and not _CLAIM.fullmatch(value):
        raise ValueError("expected the name of a claim, such as role or https://example.com/role")
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds a control character")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value) or len(value) > _HOST_CHARS:
        raise ValueError("expected a host name in lower case, without scheme and port")
    return value


def _address(value: str) -> str:
    if value != "localhost":
        try:
            ip_address(value)
        except ValueError:
            raise ValueError("expected localhost, or an address such as 0.0.0.0 or ::") from None
    return value


def _origin(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
        name = parts.hostname or ""
    except ValueError:
        # Not told further: the library would repeat what may be a password.
        port_is_fine, name = False, ""
    if not port_is_fine or parts.scheme not in {"http", "https"} or not _is_reachable(name):
        raise ValueError("expected a URL such as http://127.0.0.1:9001")
    if "@" in parts.netloc:
        raise ValueError("a name and password in the URL are not sent on; leave them out")
    if parts.path not in {"", "/"} or "?" in value or "#" in value:
        raise ValueError("expected scheme, host and port alone: the request's own path is kept")
    return value.rstrip("/")


def _maybe_origin(value: str | None) -> str | None:
    return None if value is None else _origin(value)


def _upstream_url(value: str) -> str:
    if not value.startswith("unix:"):
        return _origin(value)
    path = value.removeprefix("unix:")
    if not path.startswith("/") or path.startswith("//") or not path.isprintable():
        raise ValueError("expected unix: and an absolute path, such as unix:/run/app.sock")
    if len(path.encode()) > _SOCKET_PATH_BYTES:
        raise ValueError(f"the path of a socket has at most {_SOCKET_PATH_BYTES} bytes")
    return value


def _file(value: str | None) -> str | None:
    # Relative to what, nobody could tell once the gateway runs as a service.
    if value is not None and (not value.startswith("/") or not value.isprintable()):
        raise ValueError("expected the absolute path of a file")
    return value


def _maybe_host(value: str | None) -> str | None:
    return None if value is None else _host(value)


def _probe_target(value: str) -> str:
    if not _PROBE_TARGET.fullmatch(value):
        raise ValueError("expected a path as it is sent, such as /healthz")
    return value


def _is_reachable(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        # Unlike a host of ours, a name in a private network may hold underscores.
        return _HOST.fullmatch(name.replace("_", "-")) is not None
    return True


def _network(value: str) -> str:
    try:
        network = ip_network(value)
    except ValueError:
        raise ValueError(_why_no_network(value)) from None
    if network.prefixlen == 0:
        raise ValueError("this is every address: anybody could pretend to come from anywhere")
    return str(network)


def _why_no_network(value: str) -> str:
    try:
        return f"the address has bits behind the mask; write {ip_interface(value).network}"
    except ValueError:
        return "expected an address or a network such as 10.0.0.0/8"


def _redis_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if text != "none":
        parse_redis_url(text)
    return value


def _database_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("expected a URL that begins with postgresql://")
    return value


def _feature_value(value: Any) -> bool | int | str:  # as above
    found = _resolved(value)
    if not isinstance(found, bool | int | str):
        raise ValueError("expected true, false, a whole number or a word")  # noqa: TRY004 - pydantic takes ValueError alone
    if isinstance(found, str) and not 0 < len(found) <= _FEATURE_CHARS:
        raise ValueError(f"a word may have 1 to {_FEATURE_CHARS} characters")
    return found


def _not_empty(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError("an empty secret is a missing secret")
    return value


Whole = Annotated[int, Strict(), BeforeValidator(_resolved)]
MaybeWhole = Annotated[Annotated[int, Strict()] | None, BeforeValidator(_resolved)]
Status = Annotated[int, Strict(), Field(ge=200, le=599), BeforeValidator(_resolved)]
_Day = Annotated[float, Strict(), Field(gt=0, le=86_400)]
_Minute = Annotated[float, Strict(), Field(gt=0, le=60)]
Seconds = Annotated[_Day, BeforeValidator(_resolved)]
MaybeSeconds = Annotated[_Day | None, BeforeValidator(_resolved)]
ShortSeconds = Annotated[_Minute, BeforeValidator(_resolved)]
"""For what a visitor waits for, or may see wrongly."""
MaybeShortSeconds = Annotated[_Minute | None, BeforeValidator(_resolved)]
YesOrNo = Annotated[bool, Strict(), BeforeValidator(_resolved)]
Word = BeforeValidator(_text)
"""Put on a Literal, which would not know a word that came from the environment."""
Text = Annotated[str, Word, Field(min_length=1, max_length=500), AfterValidator(_printable)]
Sentence = Annotated[str, Word, Field(max_length=1000), AfterValidator(_printable)]
RoutePath = Annotated[
    str, Word, Field(min_length=1, max_length=500), AfterValidator(check_route_path)
]
Host = Annotated[str, Word, AfterValidator(_host)]
Address = Annotated[str, Word, AfterValidator(_address)]
Origin = Annotated[str, Word, AfterValidator(_origin)]
MaybeOrigin = Annotated[str | None, AfterValidator(_maybe_origin), BeforeValidator(_resolved)]
UpstreamURL = Annotated[str, Word, AfterValidator(_upstream_url)]
MaybeHost = Annotated[str | None, AfterValidator(_maybe_host), BeforeValidator(_resolved)]
MaybeFile = Annotated[str | None, AfterValidator(_file), BeforeValidator(_resolved)]
MaybeClaim = Annotated[str | None, AfterValidator(_maybe_claim), BeforeValidator(_resolved)]
ProbeTarget = Annotated[str, Word, AfterValidator(_probe_target)]
Network = Annotated[str, Word, AfterValidator(_network)]
Id = Annotated[str, Field(pattern=ID_PATTERN), Word]
Currency = Annotated[str, Field(pattern=CURRENCY_PATTERN), Word]
Method = Annotated[str, Field(pattern=METHOD_PATTERN), Word]
FeatureName = Annotated[str, Field(pattern=FEATURE_PATTERN)]
FeatureValue = Annotated[bool | int | str, PlainValidator(_feature_value)]
Secret = Annotated[SecretStr, AfterValidator(_not_empty)]
DatabaseURL = Annotated[SecretStr, AfterValidator(_database_url), AfterValidator(_not_empty)]
RedisURL = Annotated[SecretStr, AfterValidator(_redis_url)]
