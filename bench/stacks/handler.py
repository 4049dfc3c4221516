"""A plain reverse proxy on aiohttp as a peer (`bench/programs/handler.py`)."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.site import Site, free_port, running
from bench.stacks.stack import Listening

ROOT = Path(__file__).parents[2]
_HOST = "peer.localhost"


class Handler:
    """`web.Application` in front, `ClientSession` behind."""

    name = "aiohttp"
    title = "plain aiohttp handler"
    does = "no check at all"

    def find_missing(self) -> str | None:
        """Return None: what it needs is what we need."""
        return None

    @asynccontextmanager
    async def run(self, site: Site) -> AsyncIterator[Listening]:
        """Run it while entered."""
        port = free_port()
        program = ["-P", "-m", "bench.programs.handler", str(port), str(site.app_port)]
        async with running(
            self.name,
            [sys.executable, *program],
            site.log_of(self.name),
            cores=site.cores.proxy,
            port=port,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process:
            yield Listening(port, _HOST, (process.pid,))


HANDLER = Handler()
