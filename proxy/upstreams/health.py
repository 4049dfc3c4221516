"""Active health checks: every server of an app is asked now and then whether it is well.

The breaker of `server` learns from requests; this learns without any visitor waiting.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from proxy.deadlines import Deadlines
from proxy.settings import App, HealthChecks
from proxy.upstreams.connection import UpstreamConnection
from proxy.upstreams.errors import UpstreamError
from proxy.upstreams.server import Server
from proxy.wire.chunks import Fields
from proxy.wire.head import ResponseHead

_log = structlog.get_logger("proxy")

_AGENT: Final = "tollway-health"


@dataclass(slots=True)
class _Standing:
    """What the last checks of a server came to: so many alike in a row."""

    is_good: bool = True
    in_a_row: int = 0

    def count(self, *, is_good: bool) -> int:
        """Count a check and return how many alike there were in a row, it included."""
        self.in_a_row = self.in_a_row + 1 if is_good is self.is_good else 1
        self.is_good = is_good
        return self.in_a_row


class HealthChecker:
    """Checks the servers of one app, each on a new connection, all at the same time."""

    def __init__(
        self, app: App, checks: HealthChecks, servers: Iterable[Server], deadlines: Deadlines
    ) -> None:
        self._app = app
        self._checks = checks
        self._standings = {server: _Standing() for server in servers}
        self._deadlines = deadlines
        self._task: asyncio.Task[None] | None = None
        self._request = (
            f"GET {checks.path} HTTP/1.1\r\nHost: {app.host}\r\n"
            f"User-Agent: {_AGENT}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        ).encode()

    def start(self) -> None:
        """Begin to check: the first time at once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="health checks")

    def stop(self) -> None:
        """Check no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                await self.check_all()
            except Exception:  # noqa: BLE001 - the top of a task: what a server says must not end it
                _log.exception("health_checks_failed", app=self._app.id)
            await asyncio.sleep(self._checks.interval_s)

    async def check_all(self) -> None:
        """Ask every server once, and take note of what they say."""
        async with asyncio.TaskGroup() as tasks:
            for server in self._standings:
                tasks.create_task(self._check(server))

    async def _check(self, server: Server) -> None:
        try:
            async with asyncio.timeout(self._checks.timeout_s):
                status = await _Probe(self._deadlines).ask(server, self._request, self._checks)
        except TimeoutError:
            self._note(server, "no answer in time")
        except (OSError, UpstreamError) as error:
            self._note(server, str(error))
        else:
            is_good = self._checks.is_good(status)
            self._note(server, None if is_good else f"it answered {status}")

    def _note(self, server: Server, objection: str | None) -> None:
        """Count a check; `objection` None means that the server is well."""
        is_good = objection is None
        needed = self._checks.healthy_after if is_good else self._checks.unhealthy_after
        in_a_row = self._standings[server].count(is_good=is_good)
        if in_a_row < needed or server.is_healthy is is_good:
            return
        server.note_health(is_healthy=is_good)
        name = server.address.name
        if is_good:
            _log.info("upstream_well", app=self._app.id, server=name)
        else:
            _log.warning("upstream_unwell", app=self._app.id, server=name, why=objection)


class _Probe:
    """One check: owns its connection and takes the answer's head; the body is not read."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ask(self, server: Server, request: bytes, checks: HealthChecks) -> int:
        """Return the status of the answer.

        Raises:
            OSError: it could not be connected to.
            UpstreamError: there was no answer, or none that is HTTP.
        """
        connection = await server.address.connect(lambda: UpstreamConnection(self, self._deadlines))
        try:
            connection.begin(
                self,
                request,
                is_head=False,
                has_body=False,
                first_byte_s=checks.timeout_s,
                idle_s=checks.timeout_s,
            )
            return await self._answer
        finally:
            connection.close()

    # What the connection tells; see `ports.Receiver` and `ports.Owner`.

    def on_interim(self, head: ResponseHead) -> None:
        """Wait for the answer itself."""

    def on_head(self, head: ResponseHead) -> None:
        """This is all that was asked about."""
        if not self._answer.done():
            self._answer.set_result(head.status)

    def on_switch(self, head: ResponseHead, rest: bytes) -> None:  # noqa: ARG002 - the port's signature
        """Nobody asked for another protocol: not well, whatever statuses are good."""
        self.on_failure(UpstreamError(f"it answered {head.status}"))

    def on_body(self, data: bytes) -> None:
        """Of no interest."""

    def on_read(self) -> None:
        """Of no interest."""

    def on_end(self, trailers: Fields) -> None:
        """Of no interest."""

    def on_failure(self, error: UpstreamError) -> None:
        """Nothing more will come."""
        if not self._answer.done():
            self._answer.set_exception(error)

    def on_upload_paused(self, *, is_paused: bool) -> None:
        """A request without a body is never held."""

    def on_opened(self, connection: UpstreamConnection) -> None:
        """It is not counted among those for visitors."""

    def on_idle(self, connection: UpstreamConnection) -> None:
        """It is closed after its one answer."""

    def on_handed_over(self, connection: UpstreamConnection) -> None:
        """Never happens: a check asks for no switch of protocols."""

    def on_closed(self, connection: UpstreamConnection) -> None:
        """As opened."""
