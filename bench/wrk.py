"""The load: wrk, over keep-alive connections, as fast as the stack answers."""

import asyncio
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.program import hear_out

CONNECTIONS = 64

# wrk prints within a second after its time is over, unless the machine stands still.
_MARGIN_S = 15.0
_TOTAL = re.compile(
    r"^\s*(\d+) requests in ([\d.]+)(us|ms|s|m|h),\s+([\d.]+)([KMGT]?)B read", re.MULTILINE
)
_NOT_2XX = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)", re.MULTILINE)
_ERRORS = re.compile(
    r"^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", re.MULTILINE
)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class Counted:
    """What wrk saw. `refused` counts statuses from 400 on, `broken` failed connections."""

    requests: int
    seconds: float
    read_bytes: float
    refused: int
    broken: int


def find_wrk() -> str | None:
    """Return the path of wrk, or None."""
    return shutil.which("wrk")


def get_wrk() -> str:
    """Return the path of wrk.

    Raises:
        BenchError: there is none.
    """
    program = find_wrk()
    if program is None:
        raise BenchError("wrk is missing: install it (Debian, Ubuntu: apt install wrk)")
    return program


def parse_wrk(text: str) -> Counted:
    """Read what wrk prints at its end.

    Raises:
        BenchError: it is not what wrk prints.
    """
    total = _TOTAL.search(text)
    if total is None:
        raise BenchError(f"wrk counted nothing: {text.strip() or 'it printed nothing'}")
    refused = _NOT_2XX.search(text)
    errors = _ERRORS.search(text)
    return Counted(
        requests=int(total[1]),
        seconds=float(total[2]) * _SECONDS[total[3]],
        read_bytes=float(total[4]) * _BYTES[total[5]],
        refused=int(refused[1]) if refused else 0,
        broken=sum(map(int, errors.groups())) if errors else 0,
    )


async def run_wrk(
    wrapped: list[str],
    url: str,
    headers: Mapping[str, str],
    seconds: float,
    *,
    script: Path | None = None,
) -> Counted:
    """Load the URL for so many whole seconds; `wrapped` puts wrk onto its core.

    A `script` (Lua) may choose each request instead; each connection then has a thread,
    and thereby a script's state, of its own.

    Raises:
        BenchError: wrk is missing, failed, or did not end.
    """
    program = get_wrk()
    threads = 1 if script is None else CONNECTIONS
    options = [
        f"-t{threads}",
        f"-c{CONNECTIONS}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "5s",
    ]
    for name, value in headers.items():
        options += ["-H", f"{name}: {value}"]
    if script is not None:
        options += ["-s", str(script)]
    process = await asyncio.create_subprocess_exec(
        *(*wrapped, program, *options, url),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await hear_out(process, "wrk", seconds + _MARGIN_S)
    return parse_wrk(output.decode(errors="replace"))
