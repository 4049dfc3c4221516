"""`%2F` over the wire, on routes that take it."""

from dataclasses import replace
from pathlib import Path

from policies.requirement import Access, Requirement
from proxy.settings import App, Route
from tests.support.gate import run_gate
from tests.support.raw import run_raw_app
from tests.support.scene import echo


def _opened(app: App) -> App:
    open_, paid = (
        Route(path, Requirement("notes", access), allow_encoded_slash=True)
        for path, access in (("/public/", Access.PUBLIC), ("/paid/", Access.ENTITLED))
    )
    return replace(app, routes=(open_, paid, Route("/", Requirement("notes", Access.ENTITLED))))


def _get(target: str) -> bytes:
    lines = (f"GET {target} HTTP/1.1", "Host: notes.localhost", "Accept: text/html")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


async def test_the_app_receives_it_as_it_came(tmp_path: Path) -> None:
    async with (
        run_raw_app(echo) as app,
        run_gate(tmp_path, upstreams=(app.url,), dress=_opened) as gate,
    ):
        answer = await gate.say(_get("/public/a%2fb/%7Ec?q=%2f"))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert app.received.startswith(b"GET /public/a%2Fb/~c?q=%2f HTTP/1.1\r\n")


async def test_who_has_not_paid_is_sent_to_checkout_for_that_very_page(tmp_path: Path) -> None:
    async with (
        run_raw_app(echo) as app,
        run_gate(tmp_path, upstreams=(app.url,), dress=_opened) as gate,
    ):
        answer = await gate.say(_get("/paid/a%2Fb"))

    assert answer.startswith(b"HTTP/1.1 303 ")
    assert app.received == b""


async def test_another_route_is_never_reached_by_it(tmp_path: Path) -> None:
    async with (
        run_raw_app(echo) as app,
        run_gate(tmp_path, upstreams=(app.url,), dress=_opened) as gate,
    ):
        answers = [
            await gate.say(_get(target))
            for target in ("/public/a%2F..%2F..%2Fpaid%2Fx", "/public%2F..%2Fpaid", "/x%2Fy")
        ]

    assert [answer[9:12] for answer in answers] == [b"400"] * 3
    assert app.received == b""
