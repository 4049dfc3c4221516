"""Signing in, and the way back to an app: once, and only for the browser that was sent away."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from policies.return_url import fingerprint
from tests.support.pages import FLOW, HOST, SETTINGS, Pages
from tests.unit.checkout_pages.conftest import Start


async def ticket_of(pages: Pages) -> str:
    """Sign in on the way to an app and return the path that enters there."""
    answer = await pages.post("/sign-in", {"name": "Ann", "to": pages.target()})
    assert answer.status == 303
    assert answer.location.startswith("http://notes.localhost:8080/.tollway/enter?ticket=")
    return answer.location.removeprefix("http://notes.localhost:8080")


async def test_demo_sign_in_is_marked_as_one(pages: Pages) -> None:
    answer = await pages.ask(f"/sign-in?to={pages.target()}")

    assert answer.status == 200
    assert "Demonstration" in answer.text
    assert "Notes asks who you are" in answer.text


@pytest.mark.parametrize(("method", "status"), [("GET", 501), ("POST", 404)])
async def test_there_is_no_demo_sign_in_outside_demo_mode(
    start_pages: Start, method: str, status: int
) -> None:
    pages = await start_pages(replace(SETTINGS, demo=None))

    answer = await pages.ask("/sign-in", method=method, form={"name": "ann"}, Origin=HOST)

    assert answer.status == status
    assert "Demonstration" not in answer.text
    assert "Set-Cookie" not in answer.fields
    assert pages.visitors.sessions == {}


async def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(
    pages: Pages,
) -> None:
    answer = await pages.post("/sign-in", {"name": "Ann"})

    parts = {part.strip() for part in answer.fields["Set-Cookie"].split(";")}
    assert (answer.status, answer.location) == (303, "/account")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=3600"} <= parts
    assert "Secure" not in parts


async def test_cookie_over_https_is_pinned_to_the_host(start_pages: Start) -> None:
    url = f"https://{HOST}"
    pages = await start_pages(replace(SETTINGS, public_url=url, session_cookie="__Host-tollway"))

    answer = await pages.post("/sign-in", {"name": "Ann"}, Origin=url)

    assert answer.fields["Set-Cookie"].startswith("__Host-tollway=")
    assert "; Secure" in answer.fields["Set-Cookie"]
    assert "Domain" not in answer.fields["Set-Cookie"]


async def test_session_that_was_planted_before_is_not_the_one_after(pages: Pages) -> None:
    pages.cookies["tollway"] = "planted"

    answer = await pages.post("/sign-in", {"name": "Ann"})

    assert "planted" not in pages.visitors.sessions
    assert "planted" not in answer.fields["Set-Cookie"]


@pytest.mark.parametrize("names", [("Ann", " ann "), ("Zoë", "Zoe\u0308"), ("A  B", "a b")])
async def test_same_name_is_the_same_client(pages: Pages, names: tuple[str, str]) -> None:
    for name in names:
        await pages.post("/sign-in", {"name": name})

    assert len({visitor.client_id for visitor, _ in pages.visitors.sessions.values()}) == 1


@pytest.mark.parametrize("name", ["", "   ", "a" * 61, "a\x00b", "a\u202eb", "\x1b[31m"])
async def test_what_is_no_name_is_asked_for_again(pages: Pages, name: str) -> None:
    answer = await pages.post("/sign-in", {"name": name})

    assert answer.status == 422
    assert "Please give a name" in answer.text
    assert pages.visitors.sessions == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://notes.localhost:8080"},
        {"Origin": "http://checkout.localhost:8080.evil.example"},
    ],
)
async def test_form_of_another_site_signs_nobody_in(pages: Pages, headers: dict[str, str]) -> None:
    answer = await pages.post("/sign-in", {"name": "Ann"}, **headers)

    assert answer.status == 403
    assert pages.visitors.sessions == {}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_form_without_origin_from_another_site_signs_nobody_in(
    pages: Pages, site: str
) -> None:
    answer = await pages.ask("/sign-in", method="POST", form={"name": "Ann"}, Sec_Fetch_Site=site)

    assert answer.status == 403
    assert pages.visitors.sessions == {}


async def test_ticket_opens_the_app_for_the_browser_that_was_sent_away(pages: Pages) -> None:
    path = await ticket_of(pages)

    entered = await pages.ask(path, host="notes.localhost", Cookie=f"tollway-flow={FLOW}")

    token = entered.fields["Set-Cookie"].partition("=")[2].partition(";")[0]
    assert (entered.status, entered.location) == (303, "http://notes.localhost:8080/page?x=1")
    assert pages.visitors.sessions[token][1] == "notes.localhost"


async def test_ticket_works_once(pages: Pages) -> None:
    path = await ticket_of(pages)
    await pages.ask(path, host="notes.localhost", Cookie=f"tollway-flow={FLOW}")

    again = await pages.ask(path, host="notes.localhost", Cookie=f"tollway-flow={FLOW}")

    assert again.status == 400
    assert "Set-Cookie" not in again.fields


@pytest.mark.parametrize(
    ("host", "cookie"),
    [
        ("wiki.localhost", f"tollway-flow={FLOW}"),
        ("notes.localhost", "tollway-flow=another-browser"),
        ("notes.localhost", f"tollway-flow={fingerprint(FLOW)}"),
        ("notes.localhost", "x=1"),
    ],
)
async def test_ticket_of_another_host_or_browser_signs_nobody_in(
    pages: Pages, host: str, cookie: str
) -> None:
    path = await ticket_of(pages)

    answer = await pages.ask(path, host=host, Cookie=cookie)

    assert answer.status == 400
    assert "Set-Cookie" not in answer.fields


async def test_ticket_ends_after_a_minute(pages: Pages) -> None:
    path = await ticket_of(pages)
    pages.clock.move(seconds=60)

    answer = await pages.ask(path, host="notes.localhost", Cookie=f"tollway-flow={FLOW}")

    assert answer.status == 400


async def test_twin_of_the_flow_cookie_locks_nobody_out(pages: Pages) -> None:
    path = await ticket_of(pages)

    answer = await pages.ask(
        path, host="notes.localhost", Cookie=f"tollway-flow=twin; tollway-flow={FLOW}"
    )

    assert answer.status == 303


async def test_who_is_signed_in_already_is_not_asked_again(pages: Pages) -> None:
    await pages.sign_in()

    answer = await pages.ask(f"/sign-in?to={pages.target()}")

    assert answer.status == 303
    assert answer.location.startswith("http://notes.localhost:8080/.tollway/enter?")


async def test_link_of_a_program_leads_to_checkout_and_carries_no_session(pages: Pages) -> None:
    await pages.sign_in()
    to = pages.target(browser="")

    answer = await pages.ask(f"/sign-in?to={to}")

    assert answer.location.startswith("/checkout?to=")
    assert parse_qs(urlsplit(answer.location).query)["to"] == [to]
    assert pages.visitors.tickets == {}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "/account",
        "AAAA",
        "%0d%0aSet-Cookie:x=1",
        "A" * 30_000,
    ],
)
async def test_target_that_we_did_not_sign_leads_nowhere(
    pages: Pages, method: str, to: str
) -> None:
    # The body has room for it; a URL of that length would not come through the proxy.
    path = "/sign-in" if method == "POST" else f"/sign-in?to={to[:4000]}"

    answer = await pages.ask(
        path,
        method=method,
        form={"name": "Ann", "to": to} if method == "POST" else None,
        Origin=SETTINGS.public_url,
    )

    assert answer.status == 400
    assert answer.location == ""
    assert "too old" in answer.text


@pytest.mark.parametrize(
    ("key", "hours", "host"),
    [
        (b"x" * 32, 1, "notes.localhost"),
        (SETTINGS.signing_key, -1, "notes.localhost"),
        (SETTINGS.signing_key, 1, "evil.example"),
        (SETTINGS.signing_key, 1, "checkout.localhost"),
    ],
)
async def test_target_of_another_key_time_or_host_leads_nowhere(
    pages: Pages, key: bytes, hours: float, host: str
) -> None:
    await pages.sign_in()

    answer = await pages.ask(f"/sign-in?to={pages.target(key=key, hours=hours, host=host)}")

    assert (answer.status, answer.location) == (400, "")


@pytest.mark.parametrize("host", ["notes.localhost", "evil.example"])
@pytest.mark.parametrize("path", ["/sign-in", "/account", "/checkout", "/"])
async def test_pages_answer_on_the_gateways_own_host_alone(
    pages: Pages, host: str, path: str
) -> None:
    await pages.sign_in()

    answer = await pages.ask(path, host=host)

    assert answer.status == 404


async def test_session_store_that_is_down_asks_for_patience(pages: Pages) -> None:
    pages.visitors.is_down = True
    pages.cookies["tollway"] = "x"

    answer = await pages.ask("/account")

    assert (answer.status, answer.fields["Retry-After"]) == (503, "2")
    assert "nothing was charged" in answer.text.lower()
