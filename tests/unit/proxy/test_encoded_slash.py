"""`%2F`: refused, unless the same route decides whether or not it is a slash."""

from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.requirement import Access, Requirement
from proxy.canonical import CanonicalRequest, Rejected
from proxy.destination import Destination, Destinations
from proxy.routing import RouteTable
from proxy.settings import App, Route
from tests.support.gate import SETTINGS

_HOST = "store.localhost"


def _route(path: str, access: Access, *, allows: bool) -> Route:
    return Route(path, Requirement("store", access), allow_encoded_slash=allows)


_ROUTES = (
    _route("/", Access.ENTITLED, allows=False),
    _route("/public/", Access.PUBLIC, allows=True),
    _route("/public/admin/", Access.ENTITLED, allows=False),
    _route("/public/admin", Access.ENTITLED, allows=True),
    _route("/objects/", Access.SIGNED_IN, allows=True),
    _route("/objects/own/", Access.ENTITLED, allows=True),
)
_TABLE = RouteTable([App("store", "Store", _HOST, ("http://127.0.0.1:9001",), _ROUTES)])
_DESTINATIONS = Destinations(SETTINGS, _TABLE)


def _read(target: str, host: str = _HOST) -> Destination | Rejected:
    return _DESTINATIONS.read("GET", target, (host,))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/objects/a%2Fb", "/objects/a%2Fb"),
        ("/objects/a%2fb?x=%2f", "/objects/a%2Fb"),
        ("/objects/a%2Fb/c%2Fd/", "/objects/a%2Fb/c%2Fd/"),
        ("/objects/own/a%2Fb", "/objects/own/a%2Fb"),
        ("/objects/%C3%A9%2F%7Ex", "/objects/%C3%A9%2F~x"),
        ("/public/x%2Fadmin%2Fy", "/public/x%2Fadmin%2Fy"),
        ("/objects/a%2F", "/objects/a%2F"),
    ],
)
def test_it_goes_on_as_it_came_where_it_is_allowed(target: str, path: str) -> None:
    found = _read(target)

    assert isinstance(found, Destination)
    assert found.canonical.path == path
    assert found.line.startswith(f"GET {path}".encode())
    assert found.matched is not None
    assert found.matched.route.allow_encoded_slash


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb",  # not allowed here
        "/objects%2Fa",  # "/" decides, or "/objects/"
        "/objects/own%2Fa",  # both allow it, and they are two
        "/public/admin%2Fusers",  # open as it stands, closed as a slash
        "/public/admin%2F",
        "/public%2Fadmin",
        "/objects/a%2F%2Fb",
        "/objects/%2Fa",
        "/objects/a%2F/b",
        "/objects/a%2F..%2Fb",
        "/objects/a%2F..",
        "/objects/..%2Fa",
        "/objects/.%2Fa",
        "/objects/a%2F..%3Bx",
        "/objects/a%2F%2E%2E/b",
        "/objects/a%252Fb",
        "/objects/a%25%32%66b",
        "/objects/a%5Cb",
        "/objects/a%2Fb%5Cc",
        "/objects/a%2Fb%00",
        "/objects/a%2Fb%255C",
        "/objects/a%2Fb%FF",
        "/objects/a%2",
        "/.tollway%2Fenter",
        "/.tollway/x%2Fy",
        "%2Fobjects/a",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(target: str) -> None:
    assert isinstance(_read(target), Rejected)


@pytest.mark.parametrize("host", [SETTINGS.public_host, "nobody.localhost"])
def test_the_gateways_own_pages_and_unknown_hosts_take_none(host: str) -> None:
    assert isinstance(_read("/objects/a%2Fb", host), Rejected)


_pieces = st.sampled_from(
    [
        *("objects", "public", "admin", "own", "a", "é", ".tollway", "healthz"),
        *("/", "/", "%2F", "%2f", "%252F", "%5C", "%2E", ".", "..", "%3B", "%25", "%C3%A9", "%41"),
    ]
)


@given(st.lists(_pieces, max_size=12).map("".join))
def test_whoever_reads_it_the_same_route_decides(text: str) -> None:
    found = _read(f"/{text}")
    if isinstance(found, Rejected):
        return

    readings = {found.canonical.path, found.canonical.path.replace("%2F", "/")}
    decided = {
        id(matched.route) if matched is not None else None
        for reading in readings
        for matched in (_TABLE.match(_decoded(found.canonical, reading)),)
    }

    assert len(decided) == 1
    for reading in readings:
        segments = unquote(reading).split("/")
        assert not {".", ".."} & set(segments)
        assert "" not in segments[1:-1]
    if "%2F" in found.canonical.path:
        assert found.matched is not None
        assert found.matched.route.allow_encoded_slash


def _decoded(canonical: CanonicalRequest, path: str) -> CanonicalRequest:
    """Return the request as a server reads it that decodes everything at once."""
    return canonical._replace(text=unquote(path))


@given(st.lists(_pieces, max_size=12).map("".join))
def test_without_a_route_that_allows_it_nothing_has_it(text: str) -> None:
    strict = tuple(replace(route, allow_encoded_slash=False) for route in _ROUTES)
    table = RouteTable([App("store", "Store", _HOST, ("http://127.0.0.1:9001",), strict)])

    found = Destinations(SETTINGS, table).read("GET", f"/{text}", (_HOST,))

    assert isinstance(found, Rejected) or "%2F" not in found.canonical.path
