"""The headers of every page, the cookies, and the hosts that pages answer on."""

import pytest
from pytest_aiohttp import AiohttpClient

from tests.support.clock import FakeClock
from tests.support.pages import (
    FLOW,
    NOTES,
    PLANS,
    PUBLIC,
    SECURE_SETTINGS,
    Answer,
    Pages,
    serve_pages,
)

GUARDED = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src http://tollway.example; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie",
    "Server": "tollway",
}

OWN_PAGES = ["/", "/sign-in", "/checkout", "/account", "/checkout/return", "/checkout/cancelled"]


@pytest.fixture
async def secure(aiohttp_client: AiohttpClient, clock: FakeClock) -> Pages:
    """The pages of a gateway whose visitors come over https."""
    return await serve_pages(aiohttp_client, clock, SECURE_SETTINGS)


def guarded(answer: Answer) -> dict[str, str | None]:
    """Return what the answer has of the headers that guard a page."""
    return {name: answer.headers.get(name) for name in GUARDED}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/sign-in", 303),
        ("/checkout", 400),
        ("/account", 200),
        ("/checkout/return", 404),
        ("/checkout/cancelled", 200),
        ("/nope", 404),
        ("/.tollway/enter", 404),
        ("/.tollway/account", 303),
    ],
)
async def test_every_page_is_guarded(pages: Pages, path: str, status: int) -> None:
    session = await pages.sign_in()

    answer = await pages.get(path, session=session)

    assert answer.status == status
    assert guarded(answer) == GUARDED


async def test_the_sign_in_form_is_guarded(pages: Pages) -> None:
    answer = await pages.get("/sign-in")

    assert guarded(answer) == GUARDED


async def test_the_plans_are_guarded(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"/checkout?to={pages.sign()}", session=session)

    assert guarded(answer) == GUARDED


@pytest.mark.parametrize("flow", [FLOW, "another"])
async def test_the_door_of_an_app_is_guarded(pages: Pages, flow: str) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())

    answer = await pages.enter(ticket, flow=flow)

    assert guarded(answer) == GUARDED


async def test_the_way_to_the_provider_is_guarded(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.submit(
        "/checkout", {"plan": "reader", "to": pages.sign()}, session=session
    )

    assert (answer.status, guarded(answer)) == (303, GUARDED)


async def test_a_wrong_name_is_guarded(pages: Pages) -> None:
    answer = await pages.post("/sign-in", {"name": ""})

    assert (answer.status, guarded(answer)) == (422, GUARDED)


async def test_a_conflict_is_guarded(pages: Pages) -> None:
    session = await pages.sign_in()
    held = pages.shop.subscribe(await pages.client_of(session), PLANS[0])
    pages.shop.is_refusing = True

    answer = await pages.submit("/account/cancel", {"subscription": held.id}, session=session)

    assert (answer.status, guarded(answer)) == (409, GUARDED)


async def test_a_page_that_cannot_be_had_now_is_guarded(pages: Pages) -> None:
    pages.visitors.is_down = True

    answer = await pages.get("/account", session="x")

    assert (answer.status, guarded(answer)) == (503, GUARDED)


async def test_the_way_to_the_sign_in_of_a_form_of_nobody_is_guarded(pages: Pages) -> None:
    answer = await pages.post("/sign-out", {})

    assert (answer.status, guarded(answer)) == (303, GUARDED)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/sign-out", 403),
        ("POST", "/account/cancel", 403),
        ("POST", "/nope", 404),
        ("DELETE", "/account", 405),
        ("PUT", "/", 405),
    ],
)
async def test_every_error_is_guarded(pages: Pages, method: str, path: str, status: int) -> None:
    session = await pages.sign_in()

    answer = await pages.ask(method, path, session=session)

    assert answer.status == status
    assert guarded(answer) == GUARDED


async def test_the_policy_names_where_the_style_is(secure: Pages) -> None:
    answer = await secure.get("/")

    assert "style-src https://tollway.example;" in answer.headers["Content-Security-Policy"]
    assert 'href="https://tollway.example/assets/tollway.css"' in answer.body


async def test_no_page_has_a_script(pages: Pages) -> None:
    session = await pages.sign_in()

    answer = await pages.get("/account", session=session)

    assert "<script" not in answer.body
    assert "<style" not in answer.body
    assert " style=" not in answer.body


async def test_the_style_is_served(pages: Pages) -> None:
    answer = await pages.get("/assets/tollway.css")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/css")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/assets/", 403),
        ("/assets/nope.css", 404),
        ("/assets/../routes.py", 404),
        ("/assets/%2e%2e/routes.py", 404),
        ("/assets/..%2froutes.py", 404),
        ("/assets//etc/passwd", 404),
    ],
)
async def test_nothing_else_of_the_disk_is_served(pages: Pages, path: str, status: int) -> None:
    answer = await pages.get(path)

    assert answer.status == status


async def test_over_http_a_cookie_is_hidden_from_scripts_and_foreign_sites(pages: Pages) -> None:
    answer = await pages.post("/sign-in", {"name": "alice"})

    cookie = answer.cookie("tollway_session")
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", "")
    assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", "3600")


async def test_over_https_a_cookie_is_of_this_host_alone(secure: Pages) -> None:
    answer = await secure.post("/sign-in", {"name": "alice"}, Origin="https://tollway.example")

    cookie = answer.cookie("__Host-tollway_session")
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)
    assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", "3600")


async def test_over_https_the_cookie_of_an_app_is_of_its_host_alone(secure: Pages) -> None:
    ticket = await secure.issue_ticket(await secure.sign_in())

    answer = await secure.enter(ticket)

    cookie = answer.cookie("__Host-tollway_session")
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)
    assert (cookie["path"], cookie["domain"]) == ("/", "")


async def test_over_https_a_deleted_cookie_keeps_what_its_prefix_demands(secure: Pages) -> None:
    session = await secure.sign_in()

    answer = await secure.submit("/sign-out", {}, session=session)

    cookie = answer.cookie("__Host-tollway_session")
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)
    assert (cookie.value, cookie["path"], cookie["domain"]) == ("", "/", "")


async def test_over_https_a_cookie_without_the_prefix_is_not_ours(secure: Pages) -> None:
    session = await secure.sign_in()

    answer = await secure.get("/account", Cookie=f"tollway_session={session}")

    assert (answer.status, answer.location) == (303, "/sign-in")


@pytest.mark.parametrize("host", [NOTES, "evil.example", "localhost", f"x.{PUBLIC}"])
@pytest.mark.parametrize("path", OWN_PAGES)
async def test_a_page_answers_on_the_gateway_s_host_alone(
    pages: Pages, path: str, host: str
) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"{path}?to={pages.sign()}", host=host, session=session)

    assert answer.status == 404


@pytest.mark.parametrize("path", ["/sign-in", "/checkout", "/account/cancel", "/sign-out"])
async def test_a_form_is_taken_on_the_gateway_s_host_alone(pages: Pages, path: str) -> None:
    session = await pages.sign_in()

    answer = await pages.ask(
        "POST", path, host=NOTES, session=session, form={"name": "alice", "csrf": "x"}
    )

    assert answer.status == 404


@pytest.mark.parametrize("host", [f"{PUBLIC}:8080", PUBLIC.upper()])
async def test_port_and_capitals_of_a_host_do_not_matter(pages: Pages, host: str) -> None:
    answer = await pages.get("/", host=host)

    assert answer.status == 200


async def test_a_host_that_is_not_ours_is_shown_no_page(pages: Pages) -> None:
    answer = await pages.get("/nope", host="evil.example")

    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")


async def test_a_program_is_shown_no_page_where_there_is_none(pages: Pages) -> None:
    answer = await pages.get("/nope", Accept="application/json")

    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/sign-in", 200),
        ("/checkout", 400),
        ("/account", 303),
        ("/checkout/return", 303),
        ("/checkout/cancelled", 200),
        ("/nope", 404),
    ],
)
async def test_a_head_says_what_a_get_would(pages: Pages, path: str, status: int) -> None:
    got = await pages.get(path)

    answer = await pages.ask("HEAD", path)

    assert (got.status, answer.status, answer.body) == (status, status, "")
    assert guarded(answer) == guarded(got)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sign-out"),
        ("GET", "/account/cancel"),
        ("GET", "/account/resume"),
        ("PUT", "/checkout"),
        ("POST", "/account"),
        ("POST", "/.tollway/enter"),
    ],
)
async def test_a_page_takes_its_own_methods_alone(pages: Pages, method: str, path: str) -> None:
    session = await pages.sign_in()

    answer = await pages.ask(method, path, session=session)

    assert answer.status == 405
    assert await pages.visitors.find(session) is not None
