"""Autobahn's test suite for WebSockets: its programs, and what they report.

It runs on CPython 2.7 alone, in an environment of its own (docs/testing.md). Its fuzzing
client plays cases against a server that echoes, its fuzzing server against clients that do.
"""

import asyncio
import json
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.support.leaks import until

WSTEST = os.environ.get("TOLLWAY_WSTEST") or shutil.which("wstest")
"""The suite's program; None where there is none."""

_AGENT = "peer"
_FREE = "ws://127.0.0.1:0"
# Of `st` in /proc/net/tcp.
_LISTENING = "0A"
_START_S = 30.0
# The suite gives a close a second, which is not about the peer where a machine is busy.
_PATIENCE_S = 20
_OPTIONS = {"openHandshakeTimeout": _PATIENCE_S, "closeHandshakeTimeout": _PATIENCE_S}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the suite says of one case: of the messages, and of the way in which it ended."""

    messages: str
    close: str

    @property
    def is_good(self) -> bool:
        """Tell whether nothing is found fault with."""
        return {self.messages, self.close} <= {"OK", "INFORMATIONAL"}


Report: TypeAlias = dict[str, Outcome]
"""Outcomes by the number of the case."""


def count(report: Report) -> str:
    """Return how many cases had which outcome."""
    tally = Counter(outcome.messages for outcome in report.values()).most_common()
    return f"{len(report)} cases: " + ", ".join(f"{times} {what}" for what, times in tally)


async def fuzz_server(url: str, cases: Sequence[str], folder: Path) -> Report:
    """Play cases (`7.*` are many) against whoever echoes at the URL."""
    options = {**_OPTIONS, "serverConnectionDropTimeout": _PATIENCE_S}
    servers = [{"agent": _AGENT, "url": url}]
    spec = _write_spec(folder, servers=servers, options=options, cases=cases)
    async with _run("fuzzingclient", folder, "--spec", str(spec)) as process:
        assert await process.wait() == 0, (folder / "output").read_text()
    return _read_report(folder)


@asynccontextmanager
async def run_fuzzing_server(cases: Sequence[str], folder: Path) -> AsyncIterator[int]:
    """Run the suite's server, which plays cases against clients; gives its port."""
    # With port 0 it does not compare the port in a Host field with its own, which a visitor
    # of the gate does not know.
    spec = _write_spec(folder, url=_FREE, options=_OPTIONS, cases=cases)
    async with _run("fuzzingserver", folder, "--spec", str(spec)) as process:
        yield await _port_of(process)


async def fuzz_suites_client(url: str, folder: Path) -> Report:
    """Let the suite's own client ask a fuzzing server, at the URL, for all its cases."""
    arguments = ("--wsuri", url, "--ident", _AGENT)
    async with _run("testeeclient", folder / "client", *arguments) as process:
        assert await process.wait() == 0, (folder / "client" / "output").read_text()
    return _read_report(folder)


async def fuzz_client(url: str, folder: Path) -> Report:
    """Let a client of `websockets` ask a fuzzing server, at the URL, for all its cases."""
    async with connect(f"{url}/getCaseCount", proxy=None) as leg:
        cases = int(await leg.recv())
    for case in range(1, cases + 1):
        async with connect(
            f"{url}/runCase?case={case}&agent={_AGENT}",
            max_size=None,
            ping_interval=None,
            open_timeout=None,
            close_timeout=_PATIENCE_S,
            proxy=None,
        ) as leg:
            await _echo(leg)
    async with connect(f"{url}/updateReports?agent={_AGENT}", proxy=None) as leg:
        await leg.wait_closed()
    return _read_report(folder)


@asynccontextmanager
async def run_echo() -> AsyncIterator[int]:
    """Run a server of `websockets` that echoes and knows compression; gives its port."""
    # The suite did not ask for pings, and would find fault with them.
    async with serve(
        _echo, "127.0.0.1", 0, max_size=None, ping_interval=None, close_timeout=_PATIENCE_S
    ) as server:
        port: int = next(iter(server.sockets)).getsockname()[1]
        yield port


@asynccontextmanager
async def run_suites_echo(folder: Path) -> AsyncIterator[int]:
    """Run the suite's own echoing server; gives its port."""
    async with _run("testeeserver", folder, "--wsuri", _FREE) as process:
        yield await _port_of(process)


async def _echo(leg: ClientConnection | ServerConnection) -> None:
    try:
        async for message in leg:
            await leg.send(message)
    except ConnectionClosed:
        pass  # So most cases end, and the suite has seen with which code.


def _write_spec(folder: Path, **parts: Any) -> Path:  # Any: JSON
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "spec.json"
    parts |= {"outdir": str(folder), "exclude-cases": [], "exclude-agent-cases": {}}
    spec.write_text(json.dumps(parts))
    return spec


def _open_output(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "output").open("wb")


@asynccontextmanager
async def _run(mode: str, folder: Path, *arguments: str) -> AsyncIterator[Process]:
    assert WSTEST is not None
    with _open_output(folder) as output:
        process = await asyncio.create_subprocess_exec(
            *(WSTEST, "--mode", mode, "--webport", "0", *arguments),
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _port_of(process: Process) -> int:
    """Return the port on which the process listens, as soon as it does."""
    await until(lambda: process.returncode or _listening_ports(process.pid), limit_s=_START_S)
    return _listening_ports(process.pid)[0]


def _listening_ports(pid: int) -> list[int]:
    proc = Path("/proc", str(pid))
    try:
        held = {str(link.readlink()) for link in (proc / "fd").iterdir()}
        lines = (proc / "net" / "tcp").read_text().splitlines()[1:]
    except FileNotFoundError:
        return []  # The process has ended, or closed what was being looked at.
    rows = [line.split() for line in lines]
    return [
        int(row[1].rpartition(":")[2], 16)
        for row in rows
        if row[3] == _LISTENING and f"socket:[{row[9]}]" in held
    ]


def _read_report(folder: Path) -> Report:
    announced = re.search(r"will run (\d+) test cases", (folder / "output").read_text())
    agents: Any = json.loads((folder / "index.json").read_text())  # Any: JSON
    cases = agents[_AGENT]
    assert announced is not None
    assert len(cases) == int(announced[1]), "the suite has left cases out"
    return {case: Outcome(said["behavior"], said["behaviorClose"]) for case, said in cases.items()}
