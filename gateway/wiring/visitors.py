"""The request path, joined: all that one configuration makes of it, which is replaced as one."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.clock import wall
from gateway.config.schema import Config
from gateway.errors import StartError
from gateway.stores import Stores
from gateway.translate import apps_of, issuers_of, proxy_settings_of
from gateway.wiring.extras import Extras
from proxy.access_log import AccessLog
from proxy.deadlines import Deadlines
from proxy.gate import Gate
from proxy.identity import Identifier
from proxy.routing import RouteTable
from proxy.settings import App, ProxySettings
from proxy.streams import Streams
from proxy.tokens import TokenVerifier
from proxy.upstreams.upstream import Upstream, control_upstream, upstream_of

_Key = tuple[App, int, float, bytes | None]


@dataclass(frozen=True, slots=True)
class Way:
    """Where an app's requests go, and what was configured that made it so."""

    key: _Key
    upstream: Upstream


@dataclass(frozen=True, slots=True)
class Generation:
    """The gate and its ways out. Requests finish in the generation that they began in."""

    gate: Gate
    settings: ProxySettings
    drain_s: float
    ways: Mapping[str, Way]
    control: Upstream

    def close(self, successor: "Generation | None" = None) -> None:
        """Close the connections that nobody uses; what the successor goes on with stays open."""
        kept = {id(way.upstream) for way in successor.ways.values()} if successor else set()
        for upstream in (*(way.upstream for way in self.ways.values()), self.control):
            if id(upstream) not in kept:
                upstream.close()


def generation_of(
    config: Config,
    control_socket: Path,
    extras: Extras,
    stores: Stores,
    deadlines: Deadlines,
    log: AccessLog,
    streams: Streams,
    before: Generation | None = None,
) -> Generation:
    """Join the request path; an app's way of the generation before is kept if nothing changed it.

    Its idle connections, its waiting requests and what is known of its servers stay with it.

    Raises:
        StartError: a file that the configuration names cannot be used.
    """
    settings = proxy_settings_of(config)
    apps = apps_of(config)
    table = RouteTable(apps)
    known = before.ways if before is not None else {}
    with ExitStack() as undo:
        # Health checks that have begun must not outlive a generation that never comes to be.
        ways = {app.id: _way_of(app, settings, deadlines, known.get(app.id), undo) for app in apps}
        undo.pop_all()
    control = control_upstream(str(control_socket), settings, deadlines)
    identifier = Identifier(
        stores.sessions,
        stores.clients,
        TokenVerifier(issuers_of(config), time.time),
        settings.session_cookie,
    )
    gate = Gate(
        settings,
        table,
        identifier,
        stores.reader,
        {app_id: way.upstream for app_id, way in ways.items()},
        control,
        streams,
        clock=extras.clock,
        wall=wall,
        log=log,
        outages=extras.meter.outages,
    )
    return Generation(gate, settings, config.proxy.drain_s, ways, control)


def _way_of(
    app: App,
    settings: ProxySettings,
    deadlines: Deadlines,
    before: Way | None,
    undo: ExitStack,
) -> Way:
    try:
        # Neither name nor routes matter to a connection.
        key = (
            replace(app, name="", routes=()),
            settings.upstream_connections,
            settings.upstream_idle_s,
            Path(app.tls.ca_file).read_bytes() if app.tls.ca_file else None,
        )
        if before is not None and before.key == key:
            return before
        upstream = upstream_of(app, settings, deadlines)
    except (OSError, ValueError) as error:
        raise StartError(f"the servers of app {app.id!r} cannot be used: {error}") from error
    undo.callback(upstream.close)
    return Way(key, upstream)
