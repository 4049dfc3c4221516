"""`tollway serve` as its operators run it: processes of its own, a log, commands, and load."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.support.answers import Answers
from tests.support.keys import DATA_KEY
from tests.support.product import ROOT
from tests.support.raw import Peer

LIMIT_S = 60.0

_CONFIG = """
listen: {{address: 127.0.0.1, port: 0}}
public: {{scheme: http, host: checkout.localhost}}
database: {{url: "${{DATABASE_URL}}"}}
secrets: {{signing_key: "${{SIGNING_KEY}}"}}
encryption: {{keys: ["${{DATA_KEY}}"]}}
proxy: {{drain_s: {drain_s}}}
billing:
  stripe:
    secret_key: "${{STRIPE_KEY}}"
    webhook_secrets: ["${{WEBHOOK_SECRET}}"]
plans:
  - id: reader
    version: 1
    name: Reader
    price: {{amount_minor: 500, currency: eur, interval: month}}
    stripe_price: price_reader
    apps:
      notes: {{access: true}}
apps:
  - id: notes
    name: Notes
    host: notes.localhost
    upstreams: ["{upstream}"]
    routes:
      - {{path: /public/, access: public}}
      - {{path: /, access: entitled}}
"""


def write_config(file: Path, upstream: str, *, drain_s: float = 30.0) -> Path:
    """Write a configuration whose app has a public part."""
    file.write_text(_CONFIG.format(upstream=upstream, drain_s=drain_s))
    return file


def environment_of(database_url: str, run: Path) -> dict[str, str]:
    """Return what the processes need; `run` is where their sockets are."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url,
        "SIGNING_KEY": "k" * 32,
        "DATA_KEY": DATA_KEY,
        "STRIPE_KEY": "sk_test_serve",
        "WEBHOOK_SECRET": "whsec_serve",
        "TOLLWAY_RUN": str(run),
    }


@dataclass
class Served:
    """A running `tollway serve`. `lines` is its log so far, and that of its heirs."""

    process: Process
    file: Path
    environment: dict[str, str]
    lines: list[dict[str, Any]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where visitors come in."""
        return int(self.told("serving")[-1]["port"])

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of the log about an event."""
        return [line for line in self.lines if line["event"] == event]

    async def until_told(self, event: str, times: int = 1) -> dict[str, Any]:
        """Wait for a line of the log and return it."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.told(event)) < times:
                if self._reading is not None and self._reading.done():
                    raise AssertionError(f"no {event}; the log has ended: {self.lines}")
                self._changed.clear()
                await self._changed.wait()
        return self.told(event)[times - 1]

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.gone()

    async def gone(self) -> int:
        """Wait until it has ended, and return the exit code."""
        async with asyncio.timeout(LIMIT_S):
            # Not `wait`, which waits for the end of the log too, and that is the heirs' as well.
            while self.process.returncode is None:  # noqa: ASYNC110 - asyncio sets no Event
                await asyncio.sleep(0.02)
        return self.process.returncode

    async def command(self, name: str, *arguments: str) -> tuple[int, str]:
        """Run a command about the file and return its exit code and what it said."""
        # This one alone takes its file without an option before it.
        named = () if name == "check-config" else ("-c",)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "gateway", name, *named, str(self.file), *arguments),
            env=self.environment,
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(LIMIT_S):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def ask(
        self, path: str, host: str = "notes", *, data: bytes | None = None
    ) -> tuple[int, str]:
        """Ask on a connection of its own, with POST if there is data; return status and body."""
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                "GET" if data is None else "POST",
                f"http://127.0.0.1:{self.port}{path}",
                headers={"Host": f"{host}.localhost"},
                data=data,
            ) as answer,
        ):
            return answer.status, await answer.text()

    async def read_log(self) -> None:
        """Read on until the last process that writes to the log is gone."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"event": line.decode()})
            self._changed.set()
        self._changed.set()

    async def log_ended(self) -> None:
        """Wait until no process writes to the log any more."""
        assert self._reading is not None
        async with asyncio.timeout(LIMIT_S):
            await asyncio.shield(self._reading)

    def begin_reading(self) -> asyncio.Task[None]:
        """Follow the log."""
        self._reading = asyncio.create_task(self.read_log(), name="log")
        return self._reading


@asynccontextmanager
async def serve(file: Path, environment: dict[str, str], *arguments: str) -> AsyncIterator[Served]:
    """Run `tollway serve` until the end; whatever is left of it and its heirs is killed then."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "gateway", "serve", "-c", str(file), *arguments),
        env=environment,
        stdout=PIPE,
        stderr=STDOUT,
        # A group of its own, so that none of it can outlive a test that fails.
        start_new_session=True,
    )
    served = Served(process, file, environment)
    reading = served.begin_reading()
    try:
        await served.until_told("serving")
        yield served
        await served.end()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        for line in served.told("upgraded"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(line["heir"], signal.SIGTERM)
        try:
            async with asyncio.timeout(LIMIT_S):
                await reading
        finally:
            reading.cancel()


@dataclass
class Backend:
    """The app behind the gateway.

    What is put into `ticks` goes out on its stream; `waiting` is released by each request
    that waits for `held`; `peers` are the ports that the gateway's connections came from.
    """

    url: str
    peers: set[int] = field(default_factory=set)
    ticks: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))


@asynccontextmanager
async def run_backend(name: str) -> AsyncIterator[Backend]:
    """Run an app that tells its name, streams events, echoes over a WebSocket, and can be slow."""
    backend = Backend("")

    async def tell(request: web.Request) -> web.Response:
        assert request.transport is not None
        backend.peers.add(request.transport.get_extra_info("peername")[1])
        return web.Response(text=name)

    async def hold(_request: web.Request) -> web.Response:
        backend.waiting.release()
        await backend.held.wait()
        return web.Response(text=name)

    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        while (tick := await backend.ticks.get()) != "end":
            await answer.write(f"data: {tick}\n\n".encode())
        return answer

    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/public/name", tell)
    app.router.add_get("/public/hold", hold)
    for part in ("/public", "/paid"):
        app.router.add_get(f"{part}/stream", stream)
        app.router.add_get(f"{part}/ws", echo)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    backend.url = f"http://{host}:{port}"
    try:
        yield backend
    finally:
        await runner.cleanup()


@dataclass
class Load:
    """Visitors who ask without a pause. `seen` counts what came of it, by kind."""

    seen: Counter[str] = field(default_factory=Counter)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def failures(self) -> dict[str, int]:
        """What was no answer of the app."""
        return {kind: n for kind, n in self.seen.items() if not kind.startswith("200 ")}

    def note(self, kind: str) -> None:
        """Count."""
        self.seen[kind] += 1
        self._changed.set()

    async def until(self, holds: Callable[[Counter[str]], bool]) -> None:
        """Wait until enough was seen."""
        async with asyncio.timeout(LIMIT_S):
            while not holds(self.seen):
                self._changed.clear()
                await self._changed.wait()

    async def go_on(self, requests: int = 50) -> None:
        """Wait until so many more were answered."""
        goal = self.seen.total() + requests
        await self.until(lambda seen: seen.total() >= goal)


_ASKED = b"GET /public/name HTTP/1.1\r\nHost: notes.localhost\r\n%b\r\n"


async def _visit(port: int, load: Load, *, keeps: bool) -> None:
    """Ask for ever: over one connection for as long as it is kept, or over a new one each time."""
    peer: Peer | None = None
    asked = _ASKED % (b"" if keeps else b"Connection: close\r\n")
    try:
        while True:
            try:
                if peer is None:
                    peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
                    answers = Answers(peer)
                await peer.send(asked)
                answer = await answers.next()
                assert answer.is_whole
                load.note(f"{answer.status} {answer.body.decode()}")
                closed = answer.is_last
            except ConnectionRefusedError:
                load.note("refused")
                closed = True
            except ConnectionError:
                load.note("reset")
                closed = True
            except (EOFError, AssertionError):
                load.note("cut")
                closed = True
            if closed and peer is not None:
                await peer.close()
                peer = None
    finally:
        if peer is not None:
            peer.writer.transport.abort()


@asynccontextmanager
async def under_load(port: int, *, kept: int = 4, fresh: int = 4) -> AsyncIterator[Load]:
    """Let visitors ask within: over connections that they keep, and over fresh ones."""
    load = Load()
    async with asyncio.TaskGroup() as tasks:
        visitors = [
            tasks.create_task(_visit(port, load, keeps=index < kept))
            for index in range(kept + fresh)
        ]
        await load.go_on()
        yield load
        for visitor in visitors:
            visitor.cancel()
