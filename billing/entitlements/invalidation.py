"""Listens for changes: one connection of its own, and a clean slate after every gap."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import asyncpg
import structlog

_log = structlog.get_logger("billing.invalidation")

_CONNECT_TIMEOUT_S = 5.0
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
# A connection that died without a word (a pulled cable) is found by asking now and then.
_CHECK_EVERY_S = 5.0

Handler = Callable[[str], Awaitable[None]]


class Listener:
    """Calls a handler with each notice's payload; `on_gap` after every (re)connect.

    Notices that were sent while nobody listened are gone, so `on_gap` has to make
    the caches read anew.
    """

    def __init__(
        self, url: str, handlers: Mapping[str, Handler], on_gap: Callable[[], None]
    ) -> None:
        self._url = url
        self._handlers = handlers
        self._on_gap = on_gap
        self._notices: asyncio.Queue[tuple[str, str]] = asyncio.Queue(maxsize=10_000)
        self.connected = asyncio.Event()
        # Set once it is known whether somebody answers.
        self.tried = asyncio.Event()
        # Of the machine's clock: for whoever reads it, not to decide by.
        self.deaf_since_at: datetime | None = datetime.now(UTC)

    async def run(self) -> None:
        """Listen until cancelled; reconnects with growing waits."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._dispatch(), name="notices")
            wait_s = _FIRST_WAIT_S
            while True:
                try:
                    await self._listen()
                    wait_s = _FIRST_WAIT_S
                except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
                    _log.warning("listener_lost", why=str(e) or type(e).__name__)
                self.connected.clear()
                self.tried.set()
                if self.deaf_since_at is None:
                    self.deaf_since_at = datetime.now(UTC)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def _listen(self) -> None:
        """Hold one connection until it is lost."""
        connection = await asyncpg.connect(self._url, timeout=_CONNECT_TIMEOUT_S)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            for channel in self._handlers:
                await connection.add_listener(channel, self._receive)
            self._on_gap()
            self.connected.set()
            self.tried.set()
            self.deaf_since_at = None
            while not lost.is_set():
                try:
                    async with asyncio.timeout(_CHECK_EVERY_S):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("select 1", timeout=_CONNECT_TIMEOUT_S)
        finally:
            connection.terminate()

    def _receive(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        try:
            self._notices.put_nowait((channel, str(payload)))
        except asyncio.QueueFull:
            # Too many at once to follow one by one: read everything anew instead.
            self._on_gap()

    async def _dispatch(self) -> None:
        while True:
            channel, payload = await self._notices.get()
            try:
                await self._handlers[channel](payload)
            except Exception:  # noqa: BLE001 - one bad notice must not end all others
                _log.exception("notice_failed", channel=channel)
