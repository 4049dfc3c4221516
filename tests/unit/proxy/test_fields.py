"""First strip, then set: no spelling of a client's own fields reaches an app."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from policies.decision import Decision, Entitlement, Outcome, Reason
from proxy.cookies import read_cookies
from proxy.outgoing import entitlement_lines
from proxy.wire import fields as wire
from proxy.wire.fields import fold
from tests.support.snapshots import CLIENT, NOW

OWN = frozenset({b"tollway", b"tollway-flow"})


def strip(*pairs: tuple[str, str], hide_authorization: bool = False) -> dict[str, str]:
    named: frozenset[bytes] = frozenset()
    for name, value in pairs:
        if name == "Connection":
            named |= wire.connection_tokens(value.encode())
    lines = wire.strip_request(
        tuple((name.encode(), value.encode()) for name, value in pairs),
        named,
        own_cookies=OWN,
        hide_authorization=hide_authorization,
    )
    return dict(read_lines(b"".join(lines)))


def strip_answer(*pairs: tuple[str, str], is_private: bool = False) -> list[tuple[str, str]]:
    fields = tuple((name.encode(), value.encode()) for name, value in pairs)
    named = wire.connection_tokens(b"x-hop")
    lines = wire.strip_response(fields, named, own_cookies=OWN, is_private=is_private)
    return read_lines(b"".join(lines))


def read_lines(lines: bytes) -> list[tuple[str, str]]:
    pairs = [line.decode().partition(": ") for line in lines.split(b"\r\n") if line]
    return [(name, value) for name, _, value in pairs]


def entitlement_fields(decision: Decision) -> dict[str, str]:
    return dict(read_lines(entitlement_lines(decision)))


@pytest.mark.parametrize(
    "name",
    [
        "X-Entitlement-Plan",
        "x-entitlement-plan",
        "X_Entitlement_Plan",
        "X.Entitlement.Plan",
        "X-Entitlement_Client",
        "X-Entitlement-Anything",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X-Forwarded-Prefix",
        "X-Tollway-Debug",
        "Forwarded",
        "X-Real-IP",
        "X_Real_IP",
        "X-Request-Id",
        "X-Original-URL",
        "X_Rewrite_URL",
        "Proxy",
        "Connection",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Transfer_Encoding",
        "Content_Length",
        "Content.Length",
        "Upgrade",
        "Expect",
    ],
)
def test_field_of_ours_or_of_one_hop_is_dropped(name: str) -> None:
    assert strip((name, "forged")) == {}


@pytest.mark.parametrize("name", ["Accept", "X-Api-Key", "Authorization", "Range", "traceparent"])
def test_other_field_goes_on(name: str) -> None:
    assert strip((name, "value")) == {name: "value"}


def test_field_that_connection_names_is_dropped() -> None:
    assert strip(("Connection", "close, X-Secret"), ("X-Secret", "1"), ("X-Kept", "2")) == {
        "X-Kept": "2"
    }


def test_token_of_ours_is_hidden_and_a_foreign_scheme_is_not() -> None:
    assert strip(("Authorization", "Bearer x"), hide_authorization=True) == {}


def test_own_cookies_are_taken_out_of_the_line_and_others_kept() -> None:
    line = "a=1; tollway=secret; b=2=3; tollway-flow=x; flag"

    assert strip(("Cookie", line)) == {"Cookie": "a=1; b=2=3; flag"}


def test_line_of_own_cookies_alone_is_dropped() -> None:
    assert strip(("Cookie", "tollway=secret")) == {}


def test_cookies_of_the_name_are_all_read() -> None:
    sent = CIMultiDict([("Cookie", "tollway=1; x=2; tollway=3"), ("Cookie", "tollway = 4")])

    assert read_cookies(CIMultiDictProxy(sent), "tollway") == ["1", "3", "4"]


@pytest.mark.parametrize("space", ["\xa0", "\u2000", "\u3000", "\x0c", "\x1c"])
def test_cookie_of_nearly_our_name_is_not_ours(space: str) -> None:
    # Browsers let any sibling of a host set it, even where `__Host-` guards the name itself.
    sent = CIMultiDict([("Cookie", f"{space}tollway=forged; tollway{space}=forged; tollway=1")])

    assert read_cookies(CIMultiDictProxy(sent), "tollway") == ["1"]


def test_answer_keeps_its_fields_but_those_of_one_hop() -> None:
    kept = strip_answer(
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    )

    assert kept == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]


@pytest.mark.parametrize("planted", ["tollway=forged; Path=/", "=tollway=forged", "= tollway=x"])
def test_app_cannot_plant_a_session_of_ours(planted: str) -> None:
    assert strip_answer(("Set-Cookie", planted), ("Set-Cookie", "a=1")) == [("Set-Cookie", "a=1")]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (None, "private"),
        ("public, max-age=60", "max-age=60, private"),
        ("s-maxage=600, max-age=60", "max-age=60, private"),
        ("private, max-age=5", "private, max-age=5"),
        ("no-store", "no-store"),
        ("Public", "private"),
    ],
)
def test_what_a_client_paid_for_is_kept_by_no_shared_cache(sent: str | None, told: str) -> None:
    pairs = () if sent is None else (("Cache-Control", sent),)

    assert strip_answer(*pairs, is_private=True) == [("Cache-Control", told)]
    assert strip_answer(*pairs) == list(pairs)


def test_anonymous_visitor_is_told_as_such_and_has_no_client() -> None:
    told = entitlement_fields(Decision(Outcome.ALLOW, Reason.PUBLIC_ROUTE))

    assert told == {"X-Entitlement-Status": "anonymous"}


def test_client_of_whom_nobody_knows_is_told_as_unknown() -> None:
    decision = Decision(Outcome.ALLOW, Reason.LET_THROUGH_UNVERIFIED, CLIENT)

    told = entitlement_fields(decision)

    assert (told["X-Entitlement-Client"], told["X-Entitlement-Status"]) == (CLIENT, "unknown")


@pytest.mark.parametrize(
    ("status", "features", "told"),
    [
        ("active", (("access", True),), "active"),
        (None, (("access", True),), "granted"),
        (None, (), "none"),
    ],
)
def test_status_of_what_is_held(
    status: str | None, features: tuple[tuple[str, bool], ...], told: str
) -> None:
    held = Entitlement(None, status, features, None, 1)
    decision = Decision(Outcome.ALLOW, Reason.GRANT_LIVE, CLIENT, held)

    assert entitlement_fields(decision)["X-Entitlement-Status"] == told


def test_features_and_instants_are_told_in_their_documented_form() -> None:
    features = (("access", True), ("beta", False), ("name", "größe, 10%"), ("seats", 10))
    held = Entitlement("team", "active", features, NOW + timedelta(days=1), 3)

    told = entitlement_fields(Decision(Outcome.ALLOW, Reason.GRANT_LIVE, CLIENT, held))

    assert told["X-Entitlement-Plan"] == "team"
    assert told["X-Entitlement-Features"] == (
        "access, beta=false, name=gr%C3%B6%C3%9Fe%2C%2010%25, seats=10"
    )
    assert told["X-Entitlement-Valid-Until"] == "2026-12-02T12:00:00Z"


names = st.text(alphabet="xX-_.~+eEnNtTiIlLmMcCfFoOrRwWaAdD0", min_size=1, max_size=24)


@given(st.lists(st.tuples(names, st.just("forged")), max_size=8))
def test_no_spelling_that_a_lax_backend_folds_into_ours_is_kept(
    pairs: list[tuple[str, str]],
) -> None:
    kept = strip(*pairs)

    assert not any(fold(name).startswith(("x-entitlement-", "x-forwarded-")) for name in kept)


cookie_names = st.sampled_from(["tollway", "tollway-flow", "a", "b"])


@given(st.lists(st.tuples(cookie_names, st.text("abc=", max_size=4)), max_size=6))
def test_no_cookie_of_ours_ever_reaches_an_app(cookies: list[tuple[str, str]]) -> None:
    line = "; ".join(f"{name}={value}" for name, value in cookies)

    left = CIMultiDictProxy(CIMultiDict(strip(("Cookie", line))))

    assert not read_cookies(left, "tollway")
    assert not read_cookies(left, "tollway-flow")
    assert read_cookies(left, "a") == [value for name, value in cookies if name == "a"]


def test_long_words_of_strangers_are_not_remembered() -> None:
    names = [f"x-{number:08}-".encode() + b"a" * 8000 for number in range(100)]
    before = len(wire.REQUEST)

    kinds = {wire.REQUEST[name] for name in names}
    tokens = [wire.connection_tokens(name + b", close") for name in names]

    assert kinds == {wire.PLAIN}
    assert all(b"close" in named for named in tokens)
    assert len(wire.REQUEST) == before
    assert wire.connection_tokens(names[0]) is not wire.connection_tokens(names[0])
