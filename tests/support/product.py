"""The product as its users start it: `tollway up` in a process of its own."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_START_TIMEOUT_S = 60.0


@dataclass
class Product:
    """A running `tollway up`; `port` is where visitors come in."""

    process: Process
    port: int
    data: Path
    output: str

    def url(self, host: str, path: str = "/") -> str:
        """Return a URL under which a browser reaches the app or page."""
        return f"http://{host}.localhost:{self.port}{path}"

    @property
    def sandbox_url(self) -> str:
        """Return the sandbox's dashboard."""
        found = re.search(r"^Sandbox +(\S+)", self.output, re.MULTILINE)
        assert found is not None, self.output
        return found[1]

    @property
    def token_command(self) -> list[str]:
        """Return the arguments of the command that gives a token, as it was printed."""
        found = re.search(r"^Token +\./tollway (.+)$", self.output, re.MULTILINE)
        assert found is not None, self.output
        return shlex.split(found[1])

    async def stop(self) -> int:
        """Press Ctrl-C and return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


async def start_product(
    data: Path, *arguments: str, environment: dict[str, str] | None = None
) -> Product:
    """Start the product on a free port and wait until it says that it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", "up", "--port", "0", "--data", str(data), *arguments),
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
            "NO_COLOR": "1",
            **(environment or {}),
        },
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            output = await _read_until_ready(process)
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    found = re.search(r"http://notes\.localhost:(\d+)", output)
    assert found is not None, output
    return Product(process, int(found[1]), data, output)


async def _read_until_ready(process: Process) -> str:
    assert process.stdout is not None
    output = ""
    async for line in process.stdout:
        output += line.decode()
        if line.startswith(b"Ready"):
            return output
    raise AssertionError(f"tollway up ended before it was ready:\n{output}")


def processes_below(pid: int) -> set[int]:
    """Return the pids of every descendant of the process."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # It ended while we looked.
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


def is_alive(pid: int) -> bool:
    """Tell whether the process runs; one that only waits to be reaped does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command_of(pid: int) -> str:
    """Return the command line of the process, or nothing if it is gone."""
    try:
        raw = (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace")


def problem_of(text: str) -> dict[str, str]:
    """Return a problem document's members."""
    document = json.loads(text)
    assert isinstance(document, dict)
    return document
