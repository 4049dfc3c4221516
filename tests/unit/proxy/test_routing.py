"""Which route decides: the longest path, and no match is no access."""

import pytest

from policies.requirement import Access, Requirement
from proxy.canonical import CanonicalRequest
from proxy.routing import RouteTable
from proxy.settings import App, Route


def route(path: str, access: Access, *methods: str) -> Route:
    return Route(path, Requirement("notes", access), frozenset(methods) if methods else None)


TABLE = RouteTable(
    [
        App(
            "notes",
            "Notes",
            "notes.localhost",
            ("http://127.0.0.1:1",),
            (
                route("/", Access.ENTITLED),
                route("/public/", Access.PUBLIC),
                route("/public/private/", Access.ENTITLED),
                route("/favicon.ico", Access.PUBLIC),
                route("/items/", Access.SIGNED_IN, "GET", "HEAD"),
                route("/items/", Access.ENTITLED),
            ),
        ),
        App(
            "api", "API", "api.localhost", ("http://127.0.0.1:2",), (route("/v1/", Access.PUBLIC),)
        ),
    ]
)


def access_of(path: str, method: str = "GET", host: str = "notes.localhost") -> Access | None:
    matched = TABLE.match(CanonicalRequest(method, host, path, path, None))
    return matched.route.requirement.access if matched else None


@pytest.mark.parametrize(
    ("path", "access"),
    [
        ("/", Access.ENTITLED),
        ("/public/", Access.PUBLIC),
        ("/public/a", Access.PUBLIC),
        ("/public", Access.ENTITLED),
        ("/publicity", Access.ENTITLED),
        ("/PUBLIC/a", Access.ENTITLED),
        ("/public/private/a", Access.ENTITLED),
        ("/favicon.ico", Access.PUBLIC),
        ("/favicon.ico/x", Access.ENTITLED),
        ("/favicon.icon", Access.ENTITLED),
    ],
)
def test_longest_path_decides(path: str, access: Access) -> None:
    assert access_of(path) is access


@pytest.mark.parametrize(
    ("method", "access"),
    [
        ("GET", Access.SIGNED_IN),
        ("HEAD", Access.SIGNED_IN),
        ("POST", Access.ENTITLED),
        ("get", Access.ENTITLED),
    ],
)
def test_route_that_names_methods_decides_for_those_alone(method: str, access: Access) -> None:
    assert access_of("/items/1", method) is access


@pytest.mark.parametrize(
    ("host", "path"),
    [("api.localhost", "/"), ("api.localhost", "/v1"), ("evil.example", "/"), ("", "/")],
)
def test_what_no_route_covers_is_no_access(host: str, path: str) -> None:
    assert access_of(path, host=host) is None
