"""nginx as a peer: as it is, and with `auth_request` to a native decision service.

The second is the best case of what people run in front of their apps today: the service
that decides is nginx itself answering 200, and its CPU is not counted.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.nginx import KEEP, find_missing_nginx, run_nginx
from bench.site import Site, free_port
from bench.stacks.stack import Listening

_HOST = "peer.localhost"

_UPSTREAMS = """\
    upstream app {{ server 127.0.0.1:{app}; keepalive 256; {keep} }}
    upstream decision {{ server 127.0.0.1:{decision}; keepalive 256; {keep} }}
"""
# A proxy that streams: otherwise nginx would write large bodies to disk on their way.
_PROXY = """\
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
            client_max_body_size 0;
"""
# As large as pays off, which its defaults are not.
_LARGE_BUFFERS = """\
            proxy_buffer_size 64k;
            proxy_buffers 8 64k;
            proxy_busy_buffers_size 128k;
            client_body_buffer_size 64k;
"""
_PLAIN = """\
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
{proxy}
        }}
    }}
"""
_AUTH_REQUEST = """\
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            auth_request /decide;
{proxy}
        }}
        location = /decide {{
            internal;
            proxy_pass http://decision;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Content-Length "";
            proxy_pass_request_body off;
        }}
    }}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """One worker of nginx."""

    name: str
    title: str
    does: str
    server: str
    asks: bool = False
    proxy: str = _PROXY

    def find_missing(self) -> str | None:
        """Return what has to be installed, or None."""
        return find_missing_nginx()

    @asynccontextmanager
    async def run(self, site: Site) -> AsyncIterator[Listening]:
        """Run it while entered."""
        port = free_port()
        upstreams = _UPSTREAMS.format(app=site.app_port, decision=site.decision_port, keep=KEEP)
        server = self.server.format(port=port, proxy=self.proxy)
        async with run_nginx(
            site, self.name, upstreams + server, port, cores=site.cores.proxy
        ) as process:
            yield Listening(port, _HOST, (process.pid,), self.asks, self.asks)


NGINX = Nginx("nginx", "nginx, plain", "no check at all", _PLAIN)
NGINX_AUTH = Nginx(
    "nginx-auth",
    "nginx + auth_request",
    "asks native nginx",
    _AUTH_REQUEST,
    asks=True,
)
NGINX_BULK = Nginx(
    "nginx-bulk",
    "nginx, large buffers",
    "no check at all",
    _PLAIN,
    proxy=_PROXY + _LARGE_BUFFERS,
)
"""For large bodies."""
