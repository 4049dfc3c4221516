"""Runs a program of ours once, on the load's core, and reads the JSON that it prints."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.cores import pinned
from bench.errors import BenchError

ROOT = Path(__file__).parent.parent


def command_of(program: str, *arguments: object) -> list[str]:
    """Return the command line of a program of `bench/programs`."""
    return [sys.executable, "-P", "-m", f"bench.programs.{program}", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return an environment in which our packages are found."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


async def run_program(
    cores: str | None,
    limit_s: float,
    program: str,
    *arguments: object,
    env: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Run it to its end and return what it printed.

    Raises:
        BenchError: it failed, or did not end in time.
    """
    process = await asyncio.create_subprocess_exec(
        *pinned(cores, command_of(program, *arguments)),
        env=env or environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await hear_out(process, program, limit_s)
    if process.returncode != 0:
        told = errors.decode(errors="replace").strip().splitlines()
        raise BenchError(f"{program} failed: {told[-1] if told else 'it said nothing'}")
    return dict(json.loads(output))


async def hear_out(
    process: asyncio.subprocess.Process, name: str, limit_s: float
) -> tuple[bytes, bytes]:
    """Return what a process prints until it ends; whatever happens, it is gone after that.

    Raises:
        BenchError: it did not end in time.
    """
    try:
        async with asyncio.timeout(limit_s):
            return await process.communicate()
    except TimeoutError:
        raise BenchError(f"{name} did not end within {limit_s:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
