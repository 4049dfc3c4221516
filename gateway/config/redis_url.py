"""Where Valkey or Redis is: one server, several that Sentinels watch over, or a cluster.

    redis://host:6379/0          rediss://host:6379/0          unix:///run/valkey.sock
    redis+sentinel://sentinel-1:26379,sentinel-2:26379/name-of-the-master/0
    redis+cluster://node-1:6379,node-2:6379

`rediss+sentinel://` and `rediss+cluster://` speak TLS. A user and a password (`user:password@`, or
`:password@`) stand before the first host and are those of the servers, not of the Sentinels.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

_SINGLE: Final = ("redis://", "rediss://", "unix://")
_PORTS: Final = {"sentinel": 26379, "cluster": 6379}
_DATABASE: Final = re.compile(r"[0-9]{0,4}")
_FORMS: Final = (
    "expected none, or a URL that begins with redis://, rediss://, unix://, "
    "redis+sentinel:// or redis+cluster://"
)


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """What a URL of several hosts says.

    `kind` is sentinel or cluster; `master` and `database` are for Sentinels alone.
    """

    kind: str
    is_tls: bool
    hosts: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None
    master: str
    database: int


def parse_redis_url(text: str) -> RedisPlace | None:
    """Return what a URL of several hosts says, and None for one server's, which redis-py reads.

    Raises:
        ValueError: it is no URL of any of these; the message does not show it.
    """
    if text.startswith(_SINGLE):
        return None
    scheme, separator, rest = text.partition("://")
    base, _, kind = scheme.partition("+")
    if not separator or kind not in _PORTS or base not in {"redis", "rediss"}:
        raise ValueError(_FORMS)
    where, _, path = rest.partition("/")
    user, _, hosts = where.rpartition("@")
    username, _, password = user.partition(":")
    master, _, database = path.partition("/")
    if kind == "sentinel" and not master:
        raise ValueError("a redis+sentinel:// URL ends in /name-of-the-master, or that and /0")
    if kind == "cluster" and path:
        raise ValueError("a redis+cluster:// URL ends with its hosts: a cluster has one database")
    if not _DATABASE.fullmatch(database):
        raise ValueError("the database of a redis+sentinel:// URL is a number")
    return RedisPlace(
        kind,
        base == "rediss",
        tuple(_parse_host(host, _PORTS[kind]) for host in hosts.split(",")),
        unquote(username) or None,
        unquote(password) or None,
        unquote(master),
        int(database or 0),
    )


def _parse_host(text: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, given = parts.hostname, parts.port
    except ValueError:
        host, given = None, None
    if not host or parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError("expected host:port, and a comma between several, after the ://")
    return host, given or port
