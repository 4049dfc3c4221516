"""One reading of every request: what two parsers could read differently is refused."""

import json
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical import CanonicalRequest, Rejected, parse_host, parse_path, parse_request

LIMIT = 8192
HOSTILE = json.loads((Path(__file__).parents[2] / "data/http/hostile_targets.json").read_text())


def parse(
    target: str = "/", *, method: str = "GET", hosts: tuple[str, ...] = ("notes.localhost",)
) -> CanonicalRequest | Rejected:
    return parse_request(method, target, hosts, LIMIT)


@pytest.mark.parametrize("target", [t for group in HOSTILE.values() for t in group])
def test_hostile_target_is_refused(target: str) -> None:
    assert isinstance(parse(target), Rejected)


@pytest.mark.parametrize(
    ("target", "forwarded", "matched"),
    [
        ("/", "/", "/"),
        ("/a/b", "/a/b", "/a/b"),
        ("/%61dmin", "/admin", "/admin"),
        ("/%7Euser", "/~user", "/~user"),
        ("/a%20b", "/a%20b", "/a b"),
        ("/%e4%bd%a0", "/%E4%BD%A0", "/你"),
        ("/...", "/...", "/..."),
        ("/.well-known/x", "/.well-known/x", "/.well-known/x"),
        ("/a/", "/a/", "/a/"),
    ],
)
def test_path_has_one_form_that_is_matched_and_forwarded(
    target: str, forwarded: str, matched: str
) -> None:
    parsed = parse(target)

    assert isinstance(parsed, CanonicalRequest)
    assert (parsed.path, parsed.text) == (forwarded, matched)


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/", None),
        ("/?", ""),
        ("/?a=b&c=%2F%00", "a=b&c=%2F%00"),
        ("/?next=http://x//y/../z", "next=http://x//y/../z"),
        ("/?a[]={1}|^`", "a[]={1}|^`"),
        ("/?a?b", "a?b"),
    ],
)
def test_query_goes_on_as_it_came(target: str, query: str | None) -> None:
    parsed = parse(target)

    assert isinstance(parsed, CanonicalRequest)
    assert parsed.query == query
    assert parsed.target == target


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("notes.localhost", "notes.localhost"),
        ("NOTES.localhost", "notes.localhost"),
        ("notes.localhost.", "notes.localhost"),
        ("notes.localhost:8080", "notes.localhost"),
        ("notes.localhost.:80", "notes.localhost"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_host_is_lower_case_without_port_and_dot(host: str, name: str) -> None:
    assert parse_host(host) == name


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        ".",
        "a..b",
        "notes.localhost..",
        "user@notes.localhost",
        "notes.localhost@evil.example",
        "notes.localhost/x",
        "notes.localhost,evil.example",
        "notes.localhost evil.example",
        "notes.localhost:",
        "notes.localhost:x",
        "notes.localhost:65536",
        "notes.localhost:80:80",
        "notes.localhost\t",
        "notes.localhost\x00",
        "nötes.localhost",
        "to\u212aens.localhost",
        "-notes.localhost",
        "notes_localhost",
        "notes.localhost?x",
        "notes.localhost#x",
        "%6eotes.localhost",
        "[::1",
        "a" * 254,
    ],
)
def test_bad_host_is_refused(host: str) -> None:
    assert parse_host(host) is None
    assert parse(hosts=(host,)) == Rejected("bad Host")


@pytest.mark.parametrize("hosts", [(), ("notes.localhost", "notes.localhost"), ("a", "b")])
def test_anything_but_one_host_is_refused(hosts: tuple[str, ...]) -> None:
    assert parse(hosts=hosts) == Rejected("exactly one Host is needed")


@pytest.mark.parametrize("method", ["", "GE T", "G\x00T", "CONNECT", "TRACE", "GET/", "A" * 33])
def test_bad_method_is_refused(method: str) -> None:
    assert parse(method=method) == Rejected("method not supported")


@pytest.mark.parametrize("method", ["GET", "PROPFIND", "M-SEARCH", "get"])
def test_method_is_any_token(method: str) -> None:
    parsed = parse(method=method)

    assert isinstance(parsed, CanonicalRequest)
    assert parsed.method == method


@pytest.mark.parametrize(
    ("target", "forwarded"),
    [
        ("http://notes.localhost/a?b", "/a?b"),
        ("HTTP://NOTES.localhost:8080/a", "/a"),
        ("https://notes.localhost/", "/"),
    ],
)
def test_absolute_target_is_taken_when_it_names_the_host(target: str, forwarded: str) -> None:
    parsed = parse(target)

    assert isinstance(parsed, CanonicalRequest)
    assert parsed.target == forwarded


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/",
        "http://notes.localhost",
        "http://user@notes.localhost/",
        "ftp://notes.localhost/",
        "notes.localhost:443",
        "*",
        "",
    ],
)
def test_target_that_disagrees_with_the_host_is_refused(target: str) -> None:
    assert parse(target) == Rejected("target and Host disagree")


def test_target_over_the_limit_is_refused() -> None:
    assert isinstance(parse("/" + "a" * (LIMIT - 1)), CanonicalRequest)
    assert parse("/" + "a" * LIMIT) == Rejected("target too long")


segments = st.text(
    alphabet=st.sampled_from("abAZ09.-_~%!$&'()*+,;=:@/\\2eEfF50 \t?#ä"), max_size=30
)


@given(segments)
def test_accepted_path_is_its_own_normal_form(text: str) -> None:
    once = parse_path(f"/{text}")

    if isinstance(once, str):
        assert parse_path(once) == once


@given(segments)
def test_accepted_path_hides_no_separator_and_no_dots(text: str) -> None:
    path = parse_path(f"/{text}")

    if isinstance(path, str):
        decoded = unquote_to_bytes(path)
        twice = unquote_to_bytes(decoded)
        for reading in (decoded, twice):
            assert b"\\" not in reading
            assert b"\0" not in reading
            assert reading.count(b"/") == path.count("/")
            assert not {b".", b".."} & set(reading.split(b"/"))
        assert b"//" not in decoded


@given(st.text(max_size=60), st.text(max_size=10), st.lists(st.text(max_size=30), max_size=2))
def test_any_request_is_understood_or_refused(target: str, method: str, hosts: list[str]) -> None:
    parsed = parse_request(method, target, hosts, LIMIT)

    assert isinstance(parsed, CanonicalRequest | Rejected)
