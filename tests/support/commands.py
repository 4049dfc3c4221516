"""Operators' commands, run as operators run them: processes of their own, with no terminal."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path

from tests.support.product import ROOT

_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Operator:
    """Gives commands on one configuration."""

    file: Path
    environment: dict[str, str]

    async def give(self, *words: str) -> Ended:
        """Run `tollway WORDS -c FILE` to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gateway", *words, "-c", str(self.file)),
            cwd=ROOT,
            env=self.environment,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        async with asyncio.timeout(_LIMIT_S):
            out, err = await process.communicate()
        return Ended(process.returncode or 0, out.decode(), err.decode())
