"""What each kind of visitor gets at the gate, as bytes on a socket."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from policies.decision import Reason
from policies.return_url import ReturnTarget, fingerprint, verify_target
from proxy.wire.fields import fold
from tests.support.gate import SETTINGS, TOKEN_KEY, Running
from tests.support.snapshots import CLIENT, make_block, make_grant, make_snapshot

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
PAID = make_snapshot(make_grant(), version=3)


def bearer(subject: str = "ann", key: str = TOKEN_KEY, **changes: object) -> dict[str, str]:
    until = datetime.now(UTC) + timedelta(hours=1)
    claims = {"iss": "tests", "aud": "tollway", "sub": subject, "exp": until, **changes}
    return {"Authorization": f"Bearer {jwt.encode(claims, key, 'HS256')}"}


def target_of(gate: Running, location: str) -> ReturnTarget:
    (text,) = parse_qs(urlsplit(location).query)["to"]
    found = verify_target(text, SETTINGS.signing_key, gate.clock())
    assert isinstance(found, ReturnTarget)
    return found


async def test_paid_client_reaches_the_app_with_what_was_decided(gate: Running) -> None:
    gate.facts.truth[CLIENT] = PAID

    status, fields, _ = await gate.ask("/page?x=1", signed_in=True)

    assert (status, fields["X-App"]) == (200, "notes")
    (seen,) = gate.seen
    assert seen.raw_path == "/page?x=1"
    assert seen.headers["X-Entitlement-Client"] == CLIENT
    assert seen.headers["X-Entitlement-Plan"] == "reader"
    assert seen.headers["X-Entitlement-Features"] == "access"
    assert seen.headers["X-Forwarded-Host"] == "notes.localhost:8080"
    assert seen.headers["X-Request-Id"] == fields["X-Request-Id"]
    assert "Cookie" not in seen.headers


async def test_answer_of_a_paid_page_is_not_shared_between_visitors(gate: Running) -> None:
    gate.facts.truth[CLIENT] = PAID

    _, fields, _ = await gate.ask("/page", signed_in=True)

    assert "Cookie" in fields["Vary"]
    assert "Authorization" in fields["Vary"]


@pytest.mark.parametrize("path", ["/public/", "/public/a%20b", "/%70ublic/x"])
async def test_public_route_is_open_to_anybody(gate: Running, path: str) -> None:
    status, _, _ = await gate.ask(path)

    assert status == 200
    assert gate.seen[0].headers["X-Entitlement-Status"] == "anonymous"


async def test_public_route_is_open_while_every_store_is_down(gate: Running) -> None:
    gate.sessions.is_down = True
    gate.facts.down = "Postgres is gone"

    status, _, _ = await gate.ask("/public/", signed_in=True)

    assert status == 200


async def test_browser_without_a_session_is_sent_to_sign_in_and_back(gate: Running) -> None:
    status, fields, body = await gate.ask("/page?x=1", headers=BROWSER)

    assert (status, body) == (303, b"")
    assert fields["Location"].startswith("http://checkout.localhost:8080/sign-in?to=")
    target = target_of(gate, fields["Location"])
    assert (target.host, target.target) == ("notes.localhost", "/page?x=1")
    assert gate.seen == []


async def test_browser_that_is_sent_away_is_known_again_by_its_cookie(gate: Running) -> None:
    _, fields, _ = await gate.ask("/", headers=BROWSER)

    cookie = fields["Set-Cookie"]
    value = cookie.partition("=")[2].partition(";")[0]
    assert cookie.startswith("tollway-flow=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {p.strip() for p in cookie.split(";")}
    assert target_of(gate, fields["Location"]).browser == fingerprint(value)


async def test_browser_that_is_not_paid_for_is_sent_to_checkout(gate: Running) -> None:
    status, fields, _ = await gate.ask("/page", signed_in=True, headers=BROWSER)

    assert status == 303
    assert fields["Location"].startswith("http://checkout.localhost:8080/checkout?to=")
    assert target_of(gate, fields["Location"]).client_id == CLIENT
    assert gate.seen == []


async def test_target_that_fits_no_header_comes_back_to_the_front_page(gate: Running) -> None:
    _, fields, _ = await gate.ask("/" + "a" * 5000, headers=BROWSER)

    assert target_of(gate, fields["Location"]).target == "/"


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason"),
    [
        ("/", {}, 401, "not_signed_in"),
        ("/me/", {}, 401, "not_signed_in"),
        ("/", {"Authorization": "Bearer x"}, 401, "bad_credential"),
        ("/public/", {"Authorization": "Bearer x"}, 401, "bad_credential"),
        ("/public/", {"Authorization": "bearer"}, 200, None),
        ("/public/", {"Authorization": "Basic eDp5"}, 200, None),
        ("/", {"Cookie": "tollway=unknown"}, 401, "session_ended"),
        ("/", bearer(), 402, "no_grant"),
        ("/me/", bearer(), 200, None),
        ("/", bearer(exp=1), 401, "bad_credential"),
        ("/", bearer(key="x" * 32), 401, "bad_credential"),
    ],
)
async def test_program_gets_a_status_and_a_reason(
    gate: Running, path: str, headers: dict[str, str], status: int, reason: str | None
) -> None:
    got, fields, body = await gate.ask(path, headers=headers)

    assert got == status
    if reason is not None:
        document = json.loads(body)
        assert fields["Content-Type"] == "application/problem+json"
        assert fields["Cache-Control"] == "no-store"
        assert (document["reason"], document["status"]) == (reason, status)
        assert document["request_id"] == fields["X-Request-Id"]
        assert gate.seen == []


@pytest.mark.parametrize("path", ["/", "/me/"])
async def test_refusal_names_its_challenge(gate: Running, path: str) -> None:
    _, fields, _ = await gate.ask(path)

    assert fields["WWW-Authenticate"].startswith("Bearer")


async def test_402_names_where_to_pay(gate: Running) -> None:
    _, fields, body = await gate.ask("/x", headers=bearer())

    checkout_url = json.loads(body)["checkout_url"]
    assert fields["Link"] == f'<{checkout_url}>; rel="payment"'
    assert target_of(gate, checkout_url).app_id == "notes"


async def test_token_of_ours_stays_at_the_gate(gate: Running) -> None:
    gate.facts.truth["client-of-ann"] = make_snapshot(make_grant(), client_id="client-of-ann")

    status, _, _ = await gate.ask("/", headers=bearer())

    assert status == 200
    assert "Authorization" not in gate.seen[0].headers


async def test_token_of_a_closed_client_is_refused(gate: Running) -> None:
    gate.facts.truth["client-of-ann"] = make_snapshot(make_grant(), client_id="client-of-ann")
    gate.sessions.closed.add("ann")

    status, _, body = await gate.ask("/", headers=bearer())

    assert status == 401
    assert b"closed" in body
    assert gate.seen == []


async def test_credential_of_the_app_itself_goes_on(gate: Running) -> None:
    gate.facts.truth[CLIENT] = PAID

    await gate.ask("/", signed_in=True, headers={"Authorization": "Basic eDp5"})

    assert gate.seen[0].headers["Authorization"] == "Basic eDp5"


async def test_two_authorization_fields_are_refused(gate: Running) -> None:
    token = bearer()["Authorization"]
    raw = (
        f"GET /me/ HTTP/1.1\r\nHost: notes.localhost\r\nAuthorization: {token}\r\n"
        "Authorization: Basic eDp5\r\nConnection: close\r\n\r\n"
    )

    answer = await gate.say(raw.encode())

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert gate.seen == []


async def test_session_of_another_host_opens_nothing_here(gate: Running) -> None:
    gate.sessions.live["elsewhere", "wiki.localhost"] = CLIENT
    gate.facts.truth[CLIENT] = PAID

    status, _, _ = await gate.ask("/", headers={"Cookie": "tollway=elsewhere"})

    assert status == 401


async def test_twin_of_the_cookie_locks_nobody_out(gate: Running) -> None:
    gate.facts.truth[CLIENT] = PAID

    status, _, _ = await gate.ask("/", headers={"Cookie": "tollway=x; tollway=session-of-ann"})

    assert status == 200


async def test_blocked_client_is_forbidden_and_not_asked_to_pay(gate: Running) -> None:
    gate.facts.truth[CLIENT] = make_snapshot(make_grant(), make_block())

    status, _, body = await gate.ask("/", signed_in=True)

    assert (status, json.loads(body)["reason"]) == (403, "blocked")
    assert "checkout_url" not in json.loads(body)


async def test_grant_ends_at_its_instant_without_anybody_telling(gate: Running) -> None:
    gate.facts.truth[CLIENT] = make_snapshot(make_grant(until_at=gate.clock() + timedelta(hours=1)))
    before, _, _ = await gate.ask("/", signed_in=True)

    gate.clock.move(hours=1)
    after, _, _ = await gate.ask("/", signed_in=True)

    assert (before, after) == (200, 402)


async def test_refusal_on_an_old_snapshot_looks_at_the_truth_first(gate: Running) -> None:
    gate.facts.cached[CLIENT] = make_snapshot(version=1)
    gate.facts.cached_age_s = 2.1
    gate.facts.truth[CLIENT] = make_snapshot(make_grant(), version=2)

    status, _, _ = await gate.ask("/", signed_in=True)

    assert (status, gate.facts.looks) == (200, 1)


async def test_whose_grant_ended_is_refused_only_after_the_provider_was_asked(
    gate: Running,
) -> None:
    ended = make_grant(until_at=gate.clock() - timedelta(days=1))
    renewed = make_snapshot(make_grant(), version=2)
    gate.facts.cached[CLIENT] = make_snapshot(ended, version=1)
    gate.facts.provider = {CLIENT: renewed}

    status, _, _ = await gate.ask("/", signed_in=True)

    assert (status, gate.facts.looks) == (200, 1)


async def test_who_never_had_a_grant_is_refused_without_asking_the_provider(gate: Running) -> None:
    gate.facts.cached[CLIENT] = make_snapshot(version=1)
    gate.facts.provider = {CLIENT: make_snapshot(make_grant(), version=2)}

    status, _, _ = await gate.ask("/", signed_in=True)

    assert (status, gate.facts.looks) == (402, 0)


async def test_refusal_on_a_fresh_snapshot_costs_no_query(gate: Running) -> None:
    gate.facts.cached[CLIENT] = make_snapshot(version=1)
    gate.facts.cached_age_s = 1.9

    status, _, _ = await gate.ask("/", signed_in=True)

    assert (status, gate.facts.looks) == (402, 0)


async def test_allowed_request_on_an_old_snapshot_costs_no_query(gate: Running) -> None:
    gate.facts.cached[CLIENT] = PAID
    gate.facts.cached_age_s = 10_000.0

    status, _, _ = await gate.ask("/", signed_in=True)

    assert (status, gate.facts.looks) == (200, 0)


@pytest.mark.parametrize(
    ("path", "cached", "status"),
    [
        ("/", False, 503),
        ("/", True, 200),
        ("/closed/", True, 503),
        ("/open/", False, 200),
        ("/me/", False, 200),
        ("/public/", False, 200),
    ],
)
async def test_outage_follows_the_route_and_is_never_a_402(
    gate: Running, path: str, cached: bool, status: int
) -> None:
    if cached:
        gate.facts.cached[CLIENT] = PAID
    gate.facts.down = "Postgres is gone"

    got, fields, _ = await gate.ask(path, signed_in=True)

    assert got == status
    assert ("Retry-After" in fields) == (status == 503)


@pytest.mark.parametrize(
    ("path", "cached", "counted"),
    [
        ("/", True, {("notes", Reason.LAST_KNOWN_GRANT): 1}),
        ("/open/", False, {("notes", Reason.LET_THROUGH_UNVERIFIED): 1}),
        ("/closed/", True, {("notes", Reason.PAID_BUT_REFUSED): 1}),
        ("/closed/", False, {}),
        ("/", False, {}),
        ("/me/", False, {}),
    ],
)
async def test_what_an_outage_decides_is_counted_once(
    gate: Running, path: str, cached: bool, counted: dict[tuple[str, Reason], int]
) -> None:
    if cached:
        gate.facts.cached[CLIENT] = PAID
    gate.facts.down = "Postgres is gone"

    await gate.ask(path, signed_in=True)

    assert gate.outages.own == counted


async def test_nothing_is_counted_while_the_facts_are_there(gate: Running) -> None:
    gate.facts.cached[CLIENT] = PAID

    await gate.ask("/", signed_in=True)
    await gate.ask("/seats/", signed_in=True)

    assert gate.outages.own == {}


async def test_session_store_that_is_down_is_a_503_and_no_sign_in(gate: Running) -> None:
    gate.sessions.is_down = True

    person, _, page = await gate.ask("/", signed_in=True, headers=BROWSER)
    program, _, body = await gate.ask("/", signed_in=True)

    assert (person, program) == (503, 503)
    assert "Cannot be decided just now" in page.decode()
    assert json.loads(body)["reason"] == "facts_unknown"


@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1", "xnotes.localhost"])
async def test_unknown_host_is_404(gate: Running, host: str) -> None:
    status, _, _ = await gate.ask("/", host=host)

    assert status == 404
    assert gate.seen == []


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("checkout.localhost", "/account"),
        ("notes.localhost", "/.tollway/enter"),
        ("127.0.0.1", "/healthz"),
    ],
)
async def test_own_route_goes_to_the_control_application_with_its_cookies(
    gate: Running, host: str, path: str
) -> None:
    status, _, body = await gate.ask(path, host=host, signed_in=True)

    told = json.loads(body)
    assert (status, told["control"], told["host"]) == (200, True, host)
    assert told["cookie"] == "tollway=session-of-ann"
    assert gate.seen == []


@pytest.mark.parametrize("path", ["/.tollway", "/.Tollway/x", "/x/.tollway/enter"])
async def test_path_that_only_looks_like_our_own_is_the_apps(gate: Running, path: str) -> None:
    status, _, _ = await gate.ask(path)

    assert status == 401


FORGED = ["X-Entitlement-Client", "x_entitlement_client", "X.Entitlement.Plan", "X-Forwarded-User"]


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("path", ["/public/", "/me/"])
async def test_forged_field_reaches_no_app_on_any_route(
    gate: Running, path: str, name: str
) -> None:
    await gate.ask(path, signed_in=True, headers={name: "forged"})

    (seen,) = gate.seen
    assert "forged" not in seen.headers.values()


async def test_connection_cannot_name_a_field_of_ours(gate: Running) -> None:
    await gate.ask(
        "/me/", signed_in=True, headers={"Connection": "X-Entitlement-Client, X-Forwarded-For"}
    )

    (seen,) = gate.seen
    names = [fold(name) for name in seen.headers]
    assert names.count("x-entitlement-client") == 1
    assert names.count("x-forwarded-for") == 1


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://notes.localhost:8080", "http://notes.localhost:8080"),
        ("https://evil.example", "*"),
        ("null", "*"),
        ("http://[", "*"),
    ],
)
async def test_page_of_another_app_may_read_why_it_was_refused(
    gate: Running, origin: str, allowed: str
) -> None:
    status, fields, _ = await gate.ask("/", headers={"Origin": origin})

    assert status == 401
    assert fields["Access-Control-Allow-Origin"] == allowed
    assert ("Access-Control-Allow-Credentials" in fields) == (allowed != "*")


@pytest.mark.parametrize(
    ("host", "status", "words"),
    [("nope.localhost", 404, "Not found"), ("notes.localhost", 403, "Forbidden")],
)
async def test_person_gets_a_page_where_a_program_gets_a_document(
    gate: Running, host: str, status: int, words: str
) -> None:
    gate.facts.truth[CLIENT] = make_snapshot(make_block())

    person = await gate.ask("/x", host=host, signed_in=True, headers=BROWSER)
    program = await gate.ask("/x", host=host, signed_in=True)

    assert (person[0], program[0]) == (status, status)
    assert person[1]["Content-Type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in person[1]["Content-Security-Policy"]
    assert person[1]["Cache-Control"] == "no-store"
    assert f"<h1>{words}</h1>" in person[2].decode()
    assert person[1]["X-Request-Id"] in person[2].decode()
    assert program[1]["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "field", [b"Cookie: tollway=\xff\xfe", b"Cookie: tollway-flow=\xff", b"Origin: \xff"]
)
@pytest.mark.parametrize("accept", [b"text/html", b"*/*"])
async def test_bytes_that_are_no_text_are_nobodys_credential(
    gate: Running, field: bytes, accept: bytes
) -> None:
    answer = await gate.say(
        b"GET / HTTP/1.1\r\nHost: notes.localhost\r\nConnection: close\r\nAccept: "
        + accept
        + b"\r\n"
        + field
        + b"\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 303 " if accept == b"text/html" else b"HTTP/1.1 401 ")


async def test_token_of_bytes_that_are_no_text_is_refused(gate: Running) -> None:
    answer = await gate.say(
        b"GET / HTTP/1.1\r\nHost: notes.localhost\r\nConnection: close\r\n"
        b"Authorization: Bearer \xff\xfe\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"bad_credential" in answer


async def test_refusal_on_an_old_snapshot_is_not_spoken_while_the_truth_cannot_be_read(
    gate: Running,
) -> None:
    gate.facts.cached[CLIENT] = make_snapshot(version=1)
    gate.facts.cached_age_s = 2.1
    gate.facts.truth_is_down = True

    status, _, _ = await gate.ask("/", signed_in=True)

    assert status == 503


async def test_token_of_ours_stays_at_the_gate_during_an_outage_too(gate: Running) -> None:
    gate.sessions.is_down = True

    status, _, _ = await gate.ask("/public/", headers=bearer())

    assert status == 200
    assert "Authorization" not in gate.seen[0].headers


async def test_own_answer_names_its_request(gate: Running) -> None:
    _, fields, _ = await gate.ask("/account", host="checkout.localhost")

    assert fields["X-Request-Id"]


async def test_probe_may_use_an_address_of_ipv6(gate: Running) -> None:
    status, _, _ = await gate.ask("/healthz", host="[::1]:8080")

    assert status == 200


async def test_raw_backslash_in_a_query_is_no_way_out_and_no_error(gate: Running) -> None:
    answer = await gate.say(
        b"GET /?q=\\evil HTTP/1.1\r\nHost: notes.localhost\r\nAccept: text/html\r\n"
        b"Connection: close\r\n\r\n"
    )

    (location,) = [
        line.split(b" ", 1)[1] for line in answer.split(b"\r\n") if line.startswith(b"Location:")
    ]
    assert target_of(gate, location.decode()).target == "/?q=%5Cevil"


async def test_own_answer_tells_the_time(gate: Running) -> None:
    _, fields, _ = await gate.ask("/")

    told = parsedate_to_datetime(fields["Date"])
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=5)


@pytest.mark.parametrize("blank", [" ", "\t", " \t"])
async def test_token_reaches_no_app_whatever_blank_is_before_it(gate: Running, blank: str) -> None:
    token = bearer()["Authorization"].removeprefix("Bearer ")

    await gate.ask("/public/", headers={"Authorization": f"Bearer{blank}{token}"})

    assert gate.sessions.clients == {"ann": "client-of-ann"}
    assert all("Authorization" not in seen.headers for seen in gate.seen)


async def test_public_answer_to_somebody_known_is_his_own(gate: Running) -> None:
    _, known, _ = await gate.ask("/public/a", headers=bearer())
    _, anonymous, _ = await gate.ask("/public/a")

    # The app was told who asks, and no shared cache knows whether it cared.
    assert known["Cache-Control"] == "private"
    assert known["Vary"] == "Cookie, Authorization"
    assert "Cache-Control" not in anonymous
    assert "Vary" not in anonymous
