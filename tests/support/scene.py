"""A gate before an app that speaks bytes, watched for leaks; and the scripts of such apps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from proxy.settings import ProxySettings
from tests.support.answers import Answer, Answers, Requests
from tests.support.gate import Running, run_gate
from tests.support.leaks import no_leaks
from tests.support.raw import Peer, RawApp, Script, raw_visitor, run_raw_app

END = b"\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Scene:
    """The gate and the app behind it."""

    gate: Running
    app: RawApp

    @asynccontextmanager
    async def visit(self, raw: bytes = b"") -> AsyncIterator[tuple[Peer, Answers]]:
        """Connect to the gate, and send what there is to send."""
        async with raw_visitor(self.gate.port) as visitor:
            await visitor.send(raw)
            yield visitor, Answers(visitor)

    async def ask(self, raw: bytes) -> Answer:
        """Return the answer to one request, on a connection of its own."""
        async with self.visit(raw) as (_, answers):
            return await answers.next(raw.split(b" ", 1)[0].decode("latin-1"))


@asynccontextmanager
async def set_scene(
    folder: Path,
    script: Script,
    **limits: Any,  # Any: `replace` takes fields of every type
) -> AsyncIterator[Scene]:
    """Run an app by `script` and the gate before it; `limits` are settings of the gate."""

    def change(settings: ProxySettings) -> ProxySettings:
        return replace(settings, **limits)

    async with (
        run_raw_app(script) as app,
        run_gate(folder, upstreams=(app.url,), change=change) as gate,
        no_leaks(gate, app),
    ):
        yield Scene(gate, app)


def request(
    method: str = "GET", path: str = "", *fields: str, body: bytes = b"", version: str = "1.1"
) -> bytes:
    """Return a request to the public part; a body brings its length."""
    lines = [f"{method} /public/{path} HTTP/{version}", "Host: notes.localhost", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def path_of(head: bytes) -> str:
    """Return what the app was asked for, below the public part."""
    return head.split(b" ", 2)[1].decode("latin-1").removeprefix("/public/")


def in_turn(*scripts: Script) -> Script:
    """Return a script that gives each connection its own; the last is for all that follow."""
    left = list(scripts)

    async def script(peer: Peer) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(peer)

    return script


def saying(answer: bytes, then: Script) -> Script:
    """Return a script that reads a head, sends `answer` and goes on with `then`."""

    async def script(peer: Peer) -> None:
        await peer.read_until(END)
        await peer.send(answer)
        await then(peer)

    return script


async def close(peer: Peer) -> None:
    """Close with FIN."""
    await peer.close()


async def reset(peer: Peer) -> None:
    """Close with RST, as soon as the gate has taken what was sent."""
    peer.reset()


async def linger(peer: Peer) -> None:
    """Stay silent until the gate ends the connection."""
    await peer.read_to_end()
    await peer.close()


async def echo(peer: Peer) -> None:
    """Answer every whole request with its body, or with its path where there is none."""
    requests = Requests(peer)
    while (asked := await requests.next_request()).is_whole:
        body = asked.body or asked.target.removeprefix("/public/").encode()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
