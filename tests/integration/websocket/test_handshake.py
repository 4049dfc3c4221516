"""The way into a WebSocket: what the app sees, what the visitor gets, and who is refused."""

from pathlib import Path

import pytest

from tests.support.frames import AGREED, AGREED_WITH, ASKED, HANDSHAKE, accept, frame, open_socket
from tests.support.gate import HOST, SESSION
from tests.support.raw import Peer, answering
from tests.support.scene import END, linger, request, saying, set_scene
from tests.support.snapshots import CLIENT, make_grant, make_snapshot

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"


async def agree(peer: Peer) -> None:
    await accept(peer)
    await linger(peer)


def fields_of(received: bytes) -> dict[str, list[str]]:
    """Return the fields that the app received, by their names in lower case."""
    found: dict[str, list[str]] = {}
    for line in received.split(END, 1)[0].split(b"\r\n")[1:]:
        name, _, value = line.decode().partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return found


@pytest.mark.parametrize(
    "lines",
    [
        ("Connection: Upgrade", "Upgrade: websocket"),
        ("Connection: upgrade", "Upgrade: WebSocket"),
        ("CONNECTION: UPGRADE", "UPGRADE: WEBSOCKET"),
        ("Connection: keep-alive, Upgrade", "Upgrade: websocket"),
        ("Connection: keep-alive,Upgrade", "Upgrade: websocket"),
        ("Connection: Upgrade , keep-alive", "Upgrade:websocket"),
        ("Connection: keep-alive", "Connection: Upgrade", "Upgrade: websocket"),
        ("Upgrade: websocket", "Connection: ,Upgrade,"),
        ("Connection: Upgrade", "Upgrade: h2c, WebSocket"),
        ("Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket"),
    ],
)
async def test_every_form_of_asking_reaches_the_app_in_one(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    asked = request("GET", "ws", *lines, VERSION, KEY)
    async with set_scene(tmp_path, agree) as scene, open_socket(scene, asked=asked):
        fields = fields_of(scene.app.received)

    assert fields["connection"] == ["Upgrade"]
    assert fields["upgrade"] == ["websocket"]
    assert fields["sec-websocket-key"] == [KEY.partition(": ")[2]]


@pytest.mark.parametrize(
    "asked",
    [
        request("GET", "ws", "Upgrade: websocket", VERSION, KEY),
        request("GET", "ws", "Connection: Upgrade", VERSION, KEY),
        request("GET", "ws", "Connection: Upgrade", "Upgrade: h2c", VERSION, KEY),
        request("GET", "ws", "Connection: Upgrade", "Upgrade: xwebsocket", VERSION, KEY),
        request("GET", "ws", "Connection: Upgrades", "Upgrade: websocket", VERSION, KEY),
        request("HEAD", "ws", *ASKED),
        request("POST", "ws", *ASKED),
        request("POST", "ws", *ASKED, body=b"a"),
        request("GET", "ws", *ASKED, body=b"a"),
        request("GET", "ws", *ASKED, version="1.0"),
    ],
    ids=[
        "no connection",
        "no upgrade",
        "h2c",
        "near",
        "other",
        "HEAD",
        "POST",
        "upload",
        "body",
        "1.0",
    ],
)
async def test_what_does_not_ask_for_a_websocket_is_a_plain_request(
    tmp_path: Path, asked: bytes
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with set_scene(tmp_path, answering(answer)) as scene:
        told = await scene.ask(asked)
        fields = fields_of(scene.app.received)

    assert told.status == 200
    assert "upgrade" not in fields
    assert "connection" not in fields


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (VERSION,),
        (KEY,),
        ("Sec-WebSocket-Version: 8", KEY),
        ("Sec-WebSocket-Version: 13, 8", KEY),
        (VERSION, "Sec-WebSocket-Key: short"),
        (VERSION, KEY, KEY),
        (VERSION, KEY, "Sec-WebSocket-Protocol: chat, superchat", "Sec-WebSocket-Protocol: other"),
        (VERSION, KEY, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
    ],
)
async def test_app_judges_the_fields_of_the_handshake_and_sees_them_as_they_are(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    answer = (
        b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n"
    )
    async with set_scene(tmp_path, answering(answer)) as scene:
        told = await scene.ask(request("GET", "ws", *ASKED[:2], *lines))
        received = scene.app.received.decode().split("\r\n")

    assert [line for line in received if line.startswith("Sec-")] == list(lines)
    assert (told.status, told.find("Sec-WebSocket-Version")) == (426, "13")


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 426, 500, 503])
async def test_refusal_of_the_app_is_passed_on_and_ends_the_visitors_connection(
    tmp_path: Path, status: int
) -> None:
    body = b"" if status == 204 else b"no"
    length = b"" if status == 204 else b"Content-Length: 2\r\n"
    answer = b"HTTP/1.1 %d Told\r\n%bX-App: notes\r\n\r\n%b" % (status, length, body)
    async with (
        set_scene(tmp_path, answering(answer)) as scene,
        scene.visit(HANDSHAKE * 2) as (_, answers),
    ):
        told = await answers.next()
        surplus = await answers.surplus()

    assert (told.status, told.body, told.find("X-App")) == (status, body, "notes")
    assert (told.is_last, surplus) == (True, b"")
    assert scene.app.received.count(END) == 1


@pytest.mark.parametrize(
    "answer",
    [
        AGREED.replace(b"websocket", b"h2c"),
        AGREED.replace(b"Upgrade: websocket\r\n", b""),
        AGREED.replace(b"Upgrade: websocket", b"Upgrade: websocket, h2c"),
    ],
    ids=["h2c", "to nothing", "list"],
)
async def test_agreement_to_something_else_is_a_502(tmp_path: Path, answer: bytes) -> None:
    async with set_scene(tmp_path, saying(answer + frame(0x81, b"evil"), linger)) as scene:
        told = await scene.ask(HANDSHAKE)

    assert (told.status, told.is_problem) == (502, True)
    assert b"evil" not in told.body


async def test_agreement_brings_no_fields_of_one_hop_and_none_of_our_cookies(
    tmp_path: Path,
) -> None:
    answer = AGREED_WITH % (
        b"Set-Cookie: tollway=forged\r\nSet-Cookie: theirs=1\r\nKeep-Alive: 5\r\n"
        b"Content-Length: 5\r\nTrailer: X-A\r\nX-Secret: 1\r\n"
        b"Connection: X-Secret\r\nSec-WebSocket-Protocol: chat\r\n"
    )
    async with (
        set_scene(tmp_path, saying(answer, linger)) as scene,
        open_socket(scene) as (visitor, _),
    ):
        fields = fields_of(bytes(visitor.received))

    fields.pop("x-request-id")
    assert fields == {
        "upgrade": ["websocket"],
        "connection": ["Upgrade"],
        "sec-websocket-accept": ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
        "sec-websocket-protocol": ["chat"],
        "set-cookie": ["theirs=1"],
    }


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/seats/ws", (f"Cookie: tollway={SESSION}",), 402),
        ("/seats/ws", (f"Cookie: tollway={SESSION}", "Accept: text/html"), 402),
        ("/ws", (), 401),
        ("/ws", ("Authorization: Bearer a.b.c",), 401),
        ("/ws", (f"Cookie: tollway={SESSION}", "Origin: https://evil.example"), 403),
        ("/public/ws", (f"Cookie: tollway={SESSION}", "Origin: https://evil.example"), 403),
    ],
)
async def test_refusal_of_the_gate_is_a_status_and_no_redirect(
    tmp_path: Path, path: str, fields: tuple[str, ...], status: int
) -> None:
    asked = "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {HOST}", *ASKED, *fields, "", ""])
    async with set_scene(tmp_path, agree) as scene:
        scene.gate.sessions.live[SESSION, HOST] = CLIENT
        scene.gate.facts.truth[CLIENT] = make_snapshot(make_grant())
        told = await scene.ask(asked.encode())

    assert (told.status, told.find("Location"), told.is_problem) == (status, None, True)
    assert not scene.app.peers


async def test_what_stands_behind_a_refused_handshake_is_no_request(tmp_path: Path) -> None:
    refusal = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    async with (
        set_scene(tmp_path, answering(refusal)) as scene,
        scene.visit(HANDSHAKE + request("GET", "next")) as (_, answers),
    ):
        told = await answers.next()
        surplus = await answers.surplus()

    # It could be what a visitor says who takes the WebSocket for open.
    assert (told.status, told.is_last, surplus) == (403, True, b"")
    assert b"/next" not in scene.app.received
