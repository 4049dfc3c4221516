"""HAProxy as a peer: no check at all."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.errors import BenchError
from bench.site import Site, free_port, running
from bench.stacks.stack import Listening

_HOST = "peer.localhost"
_CONFIG = """\
global
    maxconn 4000
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
frontend visitors
    bind 127.0.0.1:{port} backlog 4096
    default_backend app
backend app
    http-reuse always
    server app 127.0.0.1:{app}
"""


class HAProxy:
    """One thread of HAProxy."""

    name = "haproxy"
    title = "HAProxy, plain"
    does = "no check at all"

    def find_missing(self) -> str | None:
        """Return what has to be installed, or None."""
        if find_haproxy() is None:
            return "HAProxy is not installed (Debian, Ubuntu: apt install haproxy)"
        return None

    @asynccontextmanager
    async def run(self, site: Site) -> AsyncIterator[Listening]:
        """Run it while entered."""
        program = find_haproxy()
        if program is None:
            raise BenchError("HAProxy is gone")
        port = free_port()
        config = site.folder / "haproxy.cfg"
        config.write_text(_CONFIG.format(port=port, app=site.app_port))
        async with running(
            self.name,
            [program, "-db", "-f", config],
            site.log_of(self.name),
            cores=site.cores.proxy,
            port=port,
        ) as process:
            yield Listening(port, _HOST, (process.pid,))


def find_haproxy() -> str | None:
    """Return the path of HAProxy, or None; Debian keeps it off a normal user's PATH."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")


HAPROXY = HAProxy()
