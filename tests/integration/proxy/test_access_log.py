"""The access log: each request is one JSON object that explains what was decided."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.gate import HOST, SESSION
from tests.support.leaks import until
from tests.support.raw import Peer
from tests.support.scene import END, OK, Scene, request, set_scene
from tests.support.snapshots import CLIENT, make_grant, make_snapshot


async def answer(peer: Peer) -> None:
    for times in range(1, 100):
        await peer.read_until(END, times=times)
        await peer.send(OK)


@asynccontextmanager
async def open_scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with set_scene(tmp_path, answer) as running:
        running.gate.sessions.live[SESSION, HOST] = CLIENT
        running.gate.facts.truth[CLIENT] = make_snapshot(make_grant())
        yield running


def asked(target: str, *fields: str) -> bytes:
    return request("GET", "", *fields).replace(b"/public/", target.encode())


async def test_line_tells_request_answer_and_decision(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        told = await scene.ask(asked("/a?secret=1", f"Cookie: tollway={SESSION}"))

        (line,) = scene.gate.logged()
        at = datetime.fromisoformat(str(line.pop("timestamp")))
        assert abs(datetime.now(at.tzinfo) - at) < timedelta(minutes=5)
        assert float(str(line.pop("ms"))) > 0
        assert line.pop("request_id") == told.find("X-Request-Id")
        head = scene.app.received.decode()
        assert f"X-Entitlement-Decision-Id: {line.pop('decision_id')}\r\n" in head
        assert line == {
            "event": "request",
            "level": "info",
            "logger": "proxy",
            "method": "GET",
            "host": HOST,
            "path": "/a",
            "status": 200,
            "app": "notes",
            "outcome": "allow",
            "reason": "grant_live",
            "client": CLIENT,
        }


async def test_refusal_names_its_reason_and_no_client(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.ask(asked("/a"))

        (line,) = scene.gate.logged()
        assert (line["status"], line["outcome"], line["reason"], line["client"]) == (
            401,
            "sign_in",
            "not_signed_in",
            None,
        )


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /a HTTP/1.1\r\nHost: notes.localhost\r\nHost: b\r\n\r\n",
        b'GET /"\\ HTTP/1.1\r\nHost: notes.localhost\r\n\r\n',
        b'G"T /a HTTP/1.1\r\nHost: "\r\n\r\n',
        b"GET /a HTTP/1.1\r\nHost: other.localhost\r\n\r\n",
        b"\x16\x03\x01",
    ],
)
async def test_what_is_refused_unread_is_a_line_too(tmp_path: Path, raw: bytes) -> None:
    async with open_scene(tmp_path) as scene:
        async with scene.visit(raw) as (visitor, _):
            await visitor.read_to_end() if b"other" not in raw else await visitor.read()

        (line,) = scene.gate.logged()
        assert line["status"] in {400, 404}
        assert line["event"] in {"request", "request_unreadable"}


async def test_neither_query_nor_credential_nor_address_is_told(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.ask(asked("/a?q=swordfish", f"Cookie: tollway={SESSION}"))
        await scene.ask(asked("/a?q=swordfish", "Authorization: Bearer swordfish"))

        scene.gate.logged()
        text = "".join(scene.gate.lines)
        assert text.count("\n") == 2
        assert not any(word in text for word in ("swordfish", SESSION, "127.0.0.1"))


async def test_lines_are_written_without_being_asked_for(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.ask(asked("/a"))

        await until(lambda: scene.gate.lines)
