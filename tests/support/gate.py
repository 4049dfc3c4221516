"""A gate over real sockets: an app behind it, and full implementations of its ports in memory."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDictProxy

from gateway.outages import Outages
from policies.model import Snapshot, Unknown
from policies.requirement import Access, OnUnknown, Requirement
from proxy.access_log import AccessLog
from proxy.certificates import Certificates
from proxy.deadlines import Deadlines
from proxy.gate import Gate
from proxy.identity import Identifier
from proxy.ports import Heard, SessionsUnavailableError
from proxy.routing import RouteTable
from proxy.server import ProxyServer
from proxy.settings import App, ProxySettings, Route, TokenIssuer
from proxy.streams import Streams
from proxy.tokens import TokenVerifier
from proxy.upstreams.upstream import Upstream, control_upstream, upstream_of
from tests.support.clock import FakeClock

# Small beside the time-outs that tests set.
_SWEEP_S = 0.02

HOST = "notes.localhost"
SESSION = "session-of-ann"
TOKEN_KEY = "t" * 32
TARGET_TTL_S = 3600

SETTINGS = ProxySettings(
    public_url="http://checkout.localhost:8080",
    public_host="checkout.localhost",
    signing_key=b"k" * 32,
    target_ttl_s=TARGET_TTL_S,
    negative_ttl_s=2.0,
    connect_timeout_s=1.0,
    first_byte_timeout_s=5.0,
    idle_timeout_s=5.0,
    upstream_connections=16,
    url_limit_bytes=8192,
)


class MemoryFacts:
    """Snapshots by client; `truth` is what the database holds, `down` why nothing can be read."""

    def __init__(self) -> None:
        self.cached: dict[str, Snapshot] = {}
        self.truth: dict[str, Snapshot] = {}
        self.cached_age_s = 0.0
        self.down: str | None = None
        self.truth_is_down = False
        self.looks = 0
        # What the provider would say; None is a provider that was asked a moment ago.
        self.provider: dict[str, Snapshot] | None = None
        self._subscribers: list[Heard] = []

    def subscribe(self, heard: Heard) -> None:
        self._subscribers.append(heard)

    def change(self, snapshot: Snapshot) -> None:
        """Commit what the client holds from now on, and tell everybody."""
        self.truth[snapshot.client_id] = snapshot
        self.cached.pop(snapshot.client_id, None)
        self.tell(snapshot.client_id)

    def tell(self, client_id: str | None) -> None:
        """Give notice of a client, or of a gap in the notices."""
        for heard in self._subscribers:
            heard(client_id)

    def find(self, client_id: str) -> Snapshot | None:
        return None if self.down is not None else self.cached.get(client_id)

    def find_last_known(self, client_id: str) -> Snapshot | None:
        return self.cached.get(client_id)

    def age_s(self, client_id: str) -> float:
        return self.cached_age_s if client_id in self.cached else float("inf")

    async def read(self, client_id: str) -> Snapshot | Unknown:
        if self.down is not None:
            return Unknown(self.down)
        return self.cached.get(client_id) or await self.read_truth(client_id)

    async def read_truth(self, client_id: str) -> Snapshot | Unknown:
        self.looks += 1
        if self.down is not None or self.truth_is_down:
            return Unknown(self.down or "the database is down")
        found = self.truth.get(client_id) or Snapshot(client_id, 0, datetime.now(UTC))
        self.cached[client_id] = found
        self.cached_age_s = 0.0
        return found

    def may_refresh(self, client_id: str) -> bool:
        return self.provider is not None

    async def read_refreshed(self, client_id: str) -> Snapshot | Unknown:
        self.truth.update(self.provider or {})
        self.provider = None
        return await self.read_truth(client_id)


class MemoryClients:
    """Clients by external id."""

    def __init__(self, sessions: "MemorySessions") -> None:
        self._sessions = sessions

    def subscribe(self, heard: Heard) -> None:
        self._sessions.closing.append(heard)

    def recall(self, external_id: str, issued_s: float) -> str | None:
        if self._sessions.is_down or issued_s < self._sessions.signed_out_s:
            return None
        return self._sessions.clients.get(external_id)

    async def admit(self, external_id: str, issued_s: float) -> str | None:
        found = await self._sessions.admit(external_id)
        return found if issued_s >= self._sessions.signed_out_s else None


class MemorySessions:
    """Sessions as (token, host) and clients by external id; `is_down` makes both unknown.

    `closed` are external ids of clients that were closed, `ends` when sessions end by token.
    """

    def __init__(self) -> None:
        self.live: dict[tuple[str, str], str] = {}
        self.clients: dict[str, str] = {}
        self.closed: set[str] = set()
        self.signed_out_s = 0.0
        self.is_down = False
        self.ends: dict[str, datetime] = {}
        self.ending: list[Heard] = []
        self.closing: list[Heard] = []

    def subscribe(self, heard: Heard) -> None:
        self.ending.append(heard)

    def name_of(self, token: str) -> str:
        return f"name of {token}"

    def find_end(self, token: str) -> datetime | None:
        return self.ends.get(token)

    def sign_out(self, token: str, host: str) -> None:
        """End a session, and tell everybody."""
        self.live.pop((token, host), None)
        for heard in self.ending:
            heard(self.name_of(token))

    def close(self, external_id: str) -> None:
        """Close a client who comes with tokens, and tell everybody."""
        self.closed.add(external_id)
        client_id = self.clients.pop(external_id)
        for heard in self.closing:
            heard(client_id)

    def recall(self, token: str, host: str) -> str | None:
        return None if self.is_down else self.live.get((token, host))

    async def find_client(self, token: str, host: str) -> str | None:
        self._answer()
        return self.live.get((token, host))

    async def admit(self, external_id: str) -> str | None:
        self._answer()
        if external_id in self.closed:
            return None
        return self.clients.setdefault(external_id, f"client-of-{external_id}")

    def _answer(self) -> None:
        if self.is_down:
            raise SessionsUnavailableError("the session store does not answer")


@dataclass
class Running:
    """A running gate. `seen` is what the app received, `lines` what was logged, the newest last."""

    port: int
    facts: MemoryFacts
    sessions: MemorySessions
    clock: FakeClock
    seen: list[web.Request] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    outages: Outages = field(default_factory=Outages)
    log: AccessLog = field(init=False)
    http: aiohttp.ClientSession = field(init=False)
    server: ProxyServer = field(init=False)
    upstream: Upstream = field(init=False)
    streams: Streams = field(init=False)

    def __post_init__(self) -> None:
        self.log = AccessLog(self.lines.append)

    def logged(self) -> list[dict[str, object]]:
        """Return the lines of the access log so far."""
        self.log.close()
        return [json.loads(line) for line in "".join(self.lines).splitlines()]

    def url(self, target: str = "/") -> str:
        """Return a URL of the gate itself; the host is a header's business."""
        return f"http://127.0.0.1:{self.port}{target}"

    async def ask(
        self,
        target: str = "/",
        *,
        method: str = "GET",
        host: str = HOST,
        signed_in: bool = False,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> tuple[int, CIMultiDictProxy[str], bytes]:
        """Ask as a program would and return status, fields and body."""
        sent = {"Host": host, **({"Cookie": f"tollway={SESSION}"} if signed_in else {})}
        sent |= headers or {}
        async with self.http.request(
            method,
            self.url(target),
            headers=sent,
            data=None if data is None else BytesIO(data),
            allow_redirects=False,
        ) as answer:
            return answer.status, answer.headers, await answer.read()

    async def say(self, raw: bytes) -> bytes:
        """Send bytes as they are and return everything until the gate closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(raw)
            await writer.drain()
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


def make_routes() -> tuple[Route, ...]:
    """Return a public, a signed-in and an entitled part, one for each outage policy, and others."""
    return (
        Route("/", Requirement("notes", Access.ENTITLED)),
        Route("/public/", Requirement("notes", Access.PUBLIC)),
        Route("/me/", Requirement("notes", Access.SIGNED_IN)),
        Route("/closed/", Requirement("notes", Access.ENTITLED, on_unknown=OnUnknown.CLOSED)),
        Route("/open/", Requirement("notes", Access.ENTITLED, on_unknown=OnUnknown.INSECURE_OPEN)),
        Route("/seats/", Requirement("notes", Access.ENTITLED, feature="seats")),
        Route("/warned/", Requirement("notes", Access.ENTITLED), warning_s=60),
    )


@asynccontextmanager
async def run_gate(
    folder: Path,
    app: web.Application | None = None,
    *,
    change: Callable[[ProxySettings], ProxySettings] = lambda settings: settings,
    upstreams: tuple[str, ...] = (),
    dress: Callable[[App], App] = lambda app: app,
    certificates: Certificates | None = None,
    drain_s: float = 0.5,
) -> AsyncIterator[Running]:
    """Run the gate before `app`; `upstreams` are tried before the app's own address.

    Without an app there are only the `upstreams`, such as a `RawApp`. `dress` changes what
    the configuration would say of the app, and with `certificates` visitors come over TLS.
    """
    settings = change(replace(SETTINGS))
    running = Running(0, MemoryFacts(), MemorySessions(), FakeClock())

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        running.seen.append(request)
        return await handler(request)

    app_runner = None
    if app is not None:
        app.middlewares.append(note)
        app_runner, app_url = await _serve(app)
        upstreams = (*upstreams, app_url)
    control = web.Application()
    control.router.add_route("*", "/{path:.*}", _tell_control)
    control_runner = web.AppRunner(control, access_log=None)
    await control_runner.setup()
    await web.UnixSite(control_runner, folder / "control.sock").start()

    notes = dress(App("notes", "Notes", HOST, upstreams, make_routes()))
    table = RouteTable([notes])
    deadlines = Deadlines(_SWEEP_S)
    deadlines.start()
    upstream = upstream_of(notes, settings, deadlines)
    own = control_upstream(str(folder / "control.sock"), settings, deadlines)
    running.upstream = upstream
    running.streams = Streams(
        running.facts,
        running.sessions,
        MemoryClients(running.sessions),
        clock=running.clock,
        wall=lambda: datetime.now(UTC),
    )
    deadlines.add(running.streams)
    running.server = _server_of(settings, table, running, own, deadlines, drain_s)
    listening = socket.create_server(("127.0.0.1", 0))
    running.port = listening.getsockname()[1]
    await running.server.start([listening], certificates)
    # As sent: what a library would add or undo is not what is asked about here.
    running.http = aiohttp.ClientSession(
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
    )
    try:
        yield running
    finally:
        await running.http.close()
        await running.server.stop()
        running.streams.stop()
        running.log.close()
        deadlines.stop()
        upstream.close()
        own.close()
        await control_runner.cleanup()
        if app_runner is not None:
            await app_runner.cleanup()


def _server_of(
    settings: ProxySettings,
    table: RouteTable,
    running: Running,
    own: Upstream,
    deadlines: Deadlines,
    drain_s: float,
) -> ProxyServer:
    issuer = TokenIssuer("tests", "tollway", "HS256", TOKEN_KEY)
    tokens = TokenVerifier([issuer], lambda: datetime.now(UTC).timestamp())
    sessions = running.sessions
    gate = Gate(
        settings,
        table,
        Identifier(sessions, MemoryClients(sessions), tokens, settings.session_cookie),
        running.facts,
        {"notes": running.upstream},
        own,
        running.streams,
        clock=running.clock,
        wall=running.clock,
        log=running.log,
        outages=running.outages,
    )
    return ProxyServer(gate, settings, deadlines, drain_s=drain_s)


async def _serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,
        shutdown_timeout=0.5,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return runner, f"http://{host}:{port}"


async def _tell_control(request: web.Request) -> web.Response:
    facts = {"control": True, "host": request.host, "cookie": request.headers.get("Cookie", "")}
    return web.Response(text=json.dumps(facts))
