"""What strangers send: requests nearly of the grammar, edited, and cut into pieces.

Everything is built of one `Random`. Hypothesis gives a seed for it, which is tried in
microseconds and not made smaller when it fails; `use_true_random=False` makes it smaller, and
takes fifty times as long.
"""

import os
from collections.abc import Callable
from itertools import pairwise, product
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.corpus import load_corpus

T = TypeVar("T")

# How many times the usual number of examples is tried: `TOLLWAY_FUZZ=100` for a night.
_EFFORT = int(os.environ.get("TOLLWAY_FUZZ", "1"))

_ODD = [b"\r", b"\n", b"\r\n", b"\0", b"\t", b" ", b":", b",", b";", b"\x0b", b"\x7f", b"\x80"]
_ODD += [
    b"\xff",
    b'"',
    b"\\",
    b"/",
    b"%",
    b"_",
    b"-",
    b"+",
    b"0",
    b"5",
    b"a",
    b"\r\n\r\n",
    b"\r\n ",
]
_ODD += [b"0\r\n\r\n", b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"Content-Length: 5\r\n"]
_ODD += [b"Transfer-Encoding: chunked\r\n", b"\r\nX-Entitlement-Plan: pro\r\n"]

_METHODS = ["GET"] * 12 + ["POST"] * 12 + ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "M-SEARCH"]
_METHODS += ["QUERY", "get", "CONNECT", "TRACE"]
_TARGETS = ["/public/"] * 20 + ["/public/a?b=c", "/public/%41%7e", "/public/?", "/public/a:b@c"]
_TARGETS += ["http://notes.localhost/public/", "HTTP://Notes.Localhost:80/public/?a", "/private"]
_TARGETS += ["http://evil.example/public/", "/public/%2e%2e/", "/public/a;b", "/public//", "*"]
_VERSIONS = ["HTTP/1.1"] * 30 + ["HTTP/1.0", "HTTP/1.0", "HTTP/1.2"]
_FIRST = [" ".join(parts) for parts in product(_METHODS, _TARGETS, _VERSIONS)]
_HOSTS = ["notes.localhost"] * 40 + [
    "NOTES.localhost.:8080",
    "evil.example",
    "",
    "a@notes.localhost",
]

_NAMES = ["X-A", "x-b", "Accept", "Cookie", "Authorization", "X_C", "X.D", "If-Match", "Via"]
_OURS = ["X-Entitlement-Plan", "X-Forwarded-For", "Forwarded", "X-Real-Ip", "X-Request-Id"]
_OURS += ["X-Tollway-A", "Proxy", "X-Original-Url", "X-Entitlement-Client", "X-Rewrite-Url"]
_HOPS = ["Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect", "Proxy-Connection"]
_FRAMING = ["Content-Length", "Transfer-Encoding", "Host"]
_VALUES = ["a", "", "a, b", "tollway=s; a=b", "keep-alive", "X-A, x-b", "close", "chunked", "5"]
_VALUES += ["Upgrade", "websocket", "h2c", "100-continue", "x-entitlement-plan", "\xe4 \t"]
_LENGTHS = ["5", "0", "05", "+5", "5, 5", "chunked", "CHUNKED", "identity", "", "a"]


def _spellings(name: str) -> list[str]:
    """Return a name as it is mostly, and in forms that some reader takes for the same."""
    odd = [name.replace("-", "_"), *(name.replace("-", c, 1) for c in (".", "!", "--", " ", ""))]
    return [*[name] * 20, *[name.lower(), name.upper()] * 5, *odd]


def _spelled(names: list[str]) -> list[str]:
    return [form for name in names for form in _spellings(name)]


_COLONS = [": "] * 40 + [":", ":\t ", " : "]
_FIELD_NAMES = [*_spelled(_NAMES) * 2, *_spelled(_OURS), *_spelled(_HOPS)]
_FRAMING_NAMES = _spelled(_FRAMING)
_SIZES = ["%x"] * 40 + ["%X", "0%x", "%x;a=b", '%x ; a="b;\\""', "0x%x", "%x;", "%x "]
_LAST = [b"0\r\n"] * 16 + [b"00\r\n", b"0;a\r\n", b"0 \r\n"]
_CORPUS = [case.send for case in load_corpus() if len(case.send) < 1500]


def effort(usual: int) -> settings:
    """Return the settings of a property that is tried so many times, and counted in a `Tally`."""
    return settings(
        max_examples=usual * _EFFORT,
        # That the tally is the same for all examples is what it is for.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def built(build: Callable[[Random], T]) -> st.SearchStrategy[T]:
    """Return what `build` makes of any seed."""
    return st.randoms(use_true_random=True).map(build)


def fields(rnd: Random, most: int) -> str:
    """Return up to so many lines of fields, mostly plain ones."""
    return "".join(_field(rnd, _FIELD_NAMES, _VALUES) for _ in range(rnd.randint(0, most)))


def _field(rnd: Random, names: list[str], values: list[str]) -> str:
    return "".join(map(rnd.choice, (names, _COLONS, values))) + "\r\n"


def chunked(rnd: Random) -> bytes:
    """Return a chunked body, mostly a good one."""
    parts = []
    for _ in range(rnd.randint(0, 3)):
        data = rnd.randbytes(rnd.randint(1, 20))
        parts.append(b"%b\r\n%b\r\n" % ((rnd.choice(_SIZES) % len(data)).encode(), data))
    trailers = fields(rnd, 2) if rnd.random() < 0.3 else ""
    return b"%b%b%b\r\n" % (b"".join(parts), rnd.choice(_LAST), trailers.encode("latin-1"))


def framed(rnd: Random) -> tuple[str, bytes]:
    """Return the lines that frame a body, and the body; mostly they agree."""
    kind = rnd.random()
    if kind < 0.3:
        return "", b""
    if kind < 0.6:
        body = rnd.randbytes(rnd.randint(0, 40))
        return f"Content-Length: {len(body)}\r\n", body
    if kind < 0.9:
        return "Transfer-Encoding: chunked\r\n", chunked(rnd)
    odd = (_field(rnd, _FRAMING_NAMES, _LENGTHS) for _ in range(rnd.randint(1, 2)))
    return "".join(odd), chunked(rnd)


def request(rnd: Random) -> bytes:
    """Return a request, mostly a good one."""
    if rnd.random() < 0.2:
        return rnd.choice(_CORPUS)
    framing, body = framed(rnd)
    host = f"Host: {rnd.choice(_HOSTS)}\r\n"
    lines = f"{rnd.choice(_FIRST)}\r\n{fields(rnd, 1)}{host}{fields(rnd, 2)}{framing}\r\n"
    return lines.encode("latin-1") + body


def edited(rnd: Random, data: bytes) -> bytes:
    """Return bytes with some put in, left out, doubled or exchanged; most of all as they are."""
    for _ in range(rnd.choice([0, 0, 0, 0, 1, 2])):
        at, size = rnd.randint(0, len(data)), rnd.choice([1, 1, 1, 2, 10, 40])
        before, behind = data[:at], data[at + size :]
        data = rnd.choice(
            [
                before + rnd.choice(_ODD) + data[at:],
                before + behind,
                data[: at + size] + data[at:],
                before + rnd.choice(_ODD) + behind,
            ]
        )
    return data


def in_pieces(rnd: Random, data: bytes) -> list[bytes]:
    """Return bytes cut into pieces, as the network may cut them."""
    cuts = sorted(rnd.randint(0, len(data)) for _ in range(rnd.randint(0, 6)))
    return [data[a:b] for a, b in pairwise([0, *cuts, len(data)]) if a < b]


def conversation(rnd: Random) -> list[bytes]:
    """Return what a visitor sends on one connection, in pieces."""
    requests: list[bytes] = []
    for _ in range(rnd.randint(1, 3)):
        again = bool(requests) and rnd.random() < 0.4
        requests.append(_again(rnd, requests[-1]) if again else edited(rnd, request(rnd)))
    return in_pieces(rnd, b"".join(requests))


def _again(rnd: Random, last: bytes) -> bytes:
    """Return a request with the fields of the last one to the byte, as clients send them."""
    return rnd.choice([rnd.choice(_FIRST).encode() + last[last.find(b"\r\n") :], last])
