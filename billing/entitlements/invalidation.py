"""Listens for changes on a connection of its own, and finds out what it missed after every gap.

How a gap is closed: while all is well, the number of the oldest transaction that has not ended is
noted every few seconds. After the connection was lost, whatever a transaction with that number or a
later one changed is read; what such a transaction changes later on is told by notices again.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import asyncpg
import structlog

from billing.storage.changes import read_changes, read_mark
from billing.storage.pool import LOST

_log = structlog.get_logger("billing.invalidation")

_CONNECT_TIMEOUT_S: Final = 5.0
_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0
# A connection that died without a word (a pulled cable) is found by asking now and then.
_CHECK_EVERY_S: Final = 2.0
_ANSWER_TIMEOUT_S: Final = 2.0
_NOTICES: Final = 10_000
# Followed in one go, half a millisecond's work; requests come between.
_AT_ONCE: Final = 50
# Past this many clients it is cheaper to read everybody anew who comes.
_MOST_MISSED: Final = 10_000

Handler = Callable[[str], Awaitable[None]]
Missed = Sequence[tuple[str, int]] | None
"""Clients whose facts changed, with the versions that they are at; None: nobody can say whose."""


class Ears(Protocol):
    """Who has to know whether all changes are heard."""

    def lost(self) -> None:
        """Changes may go unheard from now on."""
        ...

    def hears(self, missed: Missed) -> None:
        """All changes are heard from now on, and `missed` are those that were not."""
        ...


class Listener:
    """Calls a handler with each notice's payload, and tells `ears` of every gap.

    `beside` is run for as long: another way by which notices come.
    """

    def __init__(
        self,
        url: str,
        handlers: Mapping[str, Handler],
        ears: Ears,
        *,
        beside: Callable[[], Awaitable[None]] | None = None,
        most_missed: int = _MOST_MISSED,
        check_every_s: float = _CHECK_EVERY_S,
    ) -> None:
        self._url = url
        self._handlers = handlers
        self._ears = ears
        self._beside = beside
        self._most_missed = most_missed
        self._check_every_s = check_every_s
        self._notices: asyncio.Queue[tuple[str, str]] = asyncio.Queue(_NOTICES)
        self._is_overrun = False
        self._mark: int | None = None
        self._newer_mark: int | None = None
        self.connected = asyncio.Event()
        # Set once it is known whether somebody answers.
        self.tried = asyncio.Event()
        # Of the machine's clock: for whoever reads it, not to decide by.
        self.deaf_since_at: datetime | None = datetime.now(UTC)

    async def run(self) -> None:
        """Listen until cancelled; reconnects with growing waits."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._dispatch(), name="notices")
            tasks.create_task(self._keep_listening(), name="listening")
            if self._beside is not None:
                await self._beside()

    async def _keep_listening(self) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await self._listen()
            except (*LOST, asyncpg.PostgresError) as error:
                _log.warning("listener_lost", why=str(error) or type(error).__name__)
            if self.connected.is_set():
                wait_s = _FIRST_WAIT_S
            self.connected.clear()
            self.tried.set()
            self._ears.lost()
            if self.deaf_since_at is None:
                self.deaf_since_at = datetime.now(UTC)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def _listen(self) -> None:
        """Hold one connection until it is lost."""
        connection = await asyncpg.connect(
            self._url, timeout=_CONNECT_TIMEOUT_S, command_timeout=_ANSWER_TIMEOUT_S
        )
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            for channel in self._handlers:
                await connection.add_listener(channel, self._receive)
            # In this order: what is committed after this reading, is told by a notice.
            changes = await read_changes(connection, self._mark, self._most_missed)
            self._mark = self._newer_mark = changes.mark
            self._ears.hears(changes.clients)
            self.connected.set()
            self.tried.set()
            self.deaf_since_at = None
            while not lost.is_set():
                try:
                    async with asyncio.timeout(self._check_every_s):
                        await lost.wait()
                except TimeoutError:
                    # The mark of the check before: a transaction becomes visible a moment before
                    # its notice is sent, and that moment is over by now.
                    self._mark, self._newer_mark = self._newer_mark, await read_mark(connection)
        finally:
            connection.terminate()

    def _receive(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        try:
            self._notices.put_nowait((channel, str(payload)))
        except asyncio.QueueFull:
            # Too many at once to follow one by one: everything is read anew once they are over.
            if not self._is_overrun:
                self._is_overrun = True
                self._ears.lost()

    async def _dispatch(self) -> None:
        for number in itertools.count(1):
            channel, payload = await self._notices.get()
            try:
                await self._handlers[channel](payload)
            except Exception:  # noqa: BLE001 - one bad notice must not end all others
                _log.exception("notice_failed", channel=channel)
            if self._is_overrun and self._notices.empty():
                self._recover()
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def _recover(self) -> None:
        """Have everything read anew, now or with the next connection: some notices were left."""
        self._is_overrun = False
        if self.connected.is_set():
            self._ears.hears(None)
        else:
            self._mark = self._newer_mark = None
