"""The control side of a process: its own pages, the inbox worker, the reconciler, the janitor."""

import asyncio
import contextlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from billing.audit.verify import log_heads
from billing.errors import UnavailableError
from billing.storage import refresh_notices
from billing.storage.retention import prune
from billing.webhooks.retention import prune_events
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.errors import StartError, StoreDownError
from gateway.health import Check
from gateway.stores import Stores, bring_up_to_date, open_database
from gateway.waiting import Waiting
from gateway.wiring.access import Access, access_of
from gateway.wiring.extras import Extras
from gateway.wiring.selling import Selling, control_of, selling_of

_log = structlog.get_logger("gateway")

_TIDY_EVERY_S = 600.0
# The heads of the audit go into the log hourly: what was written before, nobody can take back
# without it being seen there.
_ROUNDS_BETWEEN_HEADS = 6
# For the pages of the generation before. A form that is being read when the configuration
# changes is passed on to them once it is whole, at most 15 s later (`proxy.gate`).
_OUTLIVES_S = 20.0
# For the event that is being applied when we stop; most take a tenth of it.
_LAST_EVENT_S = 2.0
# Each takes a second at most; who finds no place decides on what is known.
_MOST_REFRESHING = 100


@dataclass(frozen=True, slots=True)
class _Pages:
    """What one configuration makes of the control side, listening; closing `stack` ends it."""

    selling: Selling
    access: Access
    stack: AsyncExitStack

    def start(self) -> tuple[asyncio.Task[None], ...]:
        """Begin to work on what waits."""
        return (
            asyncio.create_task(self.selling.worker.run(), name="inbox worker"),
            asyncio.create_task(self.selling.reconciler.run(), name="reconciler"),
            asyncio.create_task(self.selling.janitor.run(), name="command janitor"),
        )

    def retire(self) -> None:
        """Let the work end with what is under way."""
        self.selling.worker.retire()
        self.selling.reconciler.retire()
        self.selling.janitor.retire()


class Back:
    """Runs the control side. A new configuration is prepared beside the old, then replaces it.

    `checks` are what health looks at.
    """

    def __init__(self, extras: Extras, stores: Stores, checks: Mapping[str, Check]) -> None:
        self._extras = extras
        self._stores = stores
        self._checks = checks
        self._waiting: Waiting | None = None
        self._now: _Pages | None = None
        self._next: _Pages | None = None
        self._working: tuple[asyncio.Task[None], ...] = ()
        self._janitor: asyncio.Task[None] | None = None
        self._rounds_until_heads = 0
        self._retiring: set[asyncio.Task[None]] = set()
        self._refreshing: set[asyncio.Task[None]] = set()

    async def begin(self, config: Config, control_socket: Path) -> None:
        """Bring the database up to date and prepare; if it does not answer, go on trying.

        Once it does, what was prepared is committed too.

        Raises:
            StartError: the database is newer than this program, or contradicts the configuration.
        """

        async def prepare() -> None:
            async with open_database(config) as database:
                await bring_up_to_date(database)
            await self._prepare(config, control_socket)

        async def begin() -> None:
            await prepare()
            self.commit()

        try:
            await prepare()
        except StoreDownError as error:
            self._waiting = Waiting(control_socket, self._checks, begin, str(error))
            try:
                await self._waiting.start()
            except OSError as failed:
                raise StartError(f"cannot open {control_socket}: {failed}") from failed

    async def prepare(self, config: Config, control_socket: Path) -> None:
        """Publish the plans and open the pages on a socket of their own; nobody is sent there yet.

        A plan's version that was published stays so, whatever comes of the rest: it is not
        for sale before the configuration is.

        Raises:
            StartError: a plan contradicts what was published, or the database does not answer.
        """
        why = self._waiting.why if self._waiting is not None else None
        if why is not None:
            raise StoreDownError(f"the control side waits for its database: {why}")
        await self._prepare(config, control_socket)

    async def _prepare(self, config: Config, control_socket: Path) -> None:
        await self.abandon()
        async with AsyncExitStack() as stack:
            selling = await selling_of(config, self._extras, self._stores)
            stack.push_async_callback(selling.provider.close)
            access = access_of(config, self._stores.database)
            stack.push_async_callback(access.guard.write_tally, whole=True)
            control = control_of(
                config, self._extras, self._stores, selling, access, self._checks, control_socket
            )
            stack.push_async_callback(control.stop)
            try:
                await control.start()
            except OSError as error:
                raise StartError(f"cannot open {control_socket}: {error}") from error
            self._next = _Pages(selling, access, stack.pop_all())

    def commit(self) -> None:
        """Let what was prepared take the place of the pages before, which end by themselves."""
        if self._next is None:
            return
        before, working = self._now, self._working
        self._now, self._next = self._next, None
        self._working = self._now.start()
        if self._janitor is None:
            self._janitor = asyncio.create_task(self._keep_tidy(), name="janitor")
        if before is not None:
            before.retire()
            retiring = asyncio.create_task(self._retire(before, working), name="retiring pages")
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    async def abandon(self) -> None:
        """Close what was prepared and not committed."""
        abandoned, self._next = self._next, None
        if abandoned is not None:
            await abandoned.stack.aclose()

    def wake(self) -> None:
        """Look at the inbox now."""
        if self._now is not None:
            self._now.selling.worker.wake()

    def refresh(self, client_id: str) -> None:
        """Read the client's facts at the provider, and tell whoever asked for it."""
        if self._now is None or len(self._refreshing) >= _MOST_REFRESHING:
            return
        task = asyncio.create_task(self._refresh(self._now, client_id), name="refresh")
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)

    async def stop(self) -> None:
        """Finish what is under way, close the pages, and end."""
        if self._waiting is not None:
            await self._waiting.stop()
        for task in (*self._retiring, *self._refreshing, self._janitor):
            if task is not None:
                task.cancel()
        if self._retiring:
            await asyncio.wait(self._retiring)
        await self.abandon()
        pages, working = self._now, self._working
        self._now = None
        if pages is not None:
            pages.retire()
            await _end(working)
            await pages.stack.aclose()

    async def _retire(self, pages: _Pages, working: tuple[asyncio.Task[None], ...]) -> None:
        try:
            await asyncio.sleep(_OUTLIVES_S)
        finally:
            await _end(working)
            await pages.stack.aclose()

    async def _refresh(self, pages: _Pages, client_id: str) -> None:
        try:
            await pages.selling.refresher.refresh(client_id)
            async with self._stores.database.connection() as connection:
                await refresh_notices.answer(connection, client_id)
        except UnavailableError as error:
            # Whoever asked waits for about a second, and decides on what is known.
            _log.warning("refresh_not_told", why=str(error))
        except Exception:  # noqa: BLE001 - the top of a task: whoever serves must live on
            _log.exception("refresh_failed", client_id=client_id)

    async def _keep_tidy(self) -> None:
        """Do now and then what nobody waits for; what fails keeps nothing else from being done."""
        while True:
            for do in (self._prune, self._rotate_key, self._write_tally, self._log_heads):
                try:
                    await do()
                except UnavailableError as error:
                    _log.warning("tidying_postponed", what=do.__name__[1:], why=str(error))
                except Exception:  # noqa: BLE001 - the top of a task: whoever serves must live on
                    _log.exception("tidying_failed", what=do.__name__[1:])
            await asyncio.sleep(_TIDY_EVERY_S)

    async def _prune(self) -> None:
        await prune(self._stores.database, wall())
        if self._now is not None:
            await prune_events(self._now.selling.inbox, wall())

    async def _rotate_key(self) -> None:
        if self._now is not None:
            await self._now.access.keys.rotate_if_due(wall())

    async def _write_tally(self) -> None:
        if self._now is not None:
            await self._now.access.guard.write_tally()

    async def _log_heads(self) -> None:
        if self._rounds_until_heads == 0:
            await log_heads(self._stores.database)
            self._rounds_until_heads = _ROUNDS_BETWEEN_HEADS
        self._rounds_until_heads -= 1


async def _end(working: tuple[asyncio.Task[None], ...]) -> None:
    """Wait for retired work; past the limit an event is left to the next, after the lease."""
    _, pending = await asyncio.wait(working, timeout=_LAST_EVENT_S)
    for task in pending:
        task.cancel()
    for task in working:
        with contextlib.suppress(asyncio.CancelledError):
            await task
