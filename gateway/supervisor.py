"""`tollway serve --workers N`: one control process and N workers, each replaced when it dies.

The supervisor has no request path. It holds the listening sockets, so that who waits to be
accepted by a worker that died is accepted by the one that takes its place.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from gateway.channel import Abandon, Begin, Commit, Prepare
from gateway.children import START_LIMIT_S, Child, ChildDiedError
from gateway.clock import SteadyClock
from gateway.config.schema import Config
from gateway.errors import StartError
from gateway.reports import Report, Reports
from gateway.run_folder import RunFolder
from gateway.sockets import twins_of

_log = structlog.get_logger("gateway.supervisor")

# Whoever dies again and again is waited for, or it would take the processor from the others.
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 10.0
# Whoever has lived for so long did not die of its start.
_STEADY_S = 30.0
# Beyond `drain_s`, for whatever a process that ends has to close.
_MARGIN_S = 10.0
# For a process that was told to cut what it does.
_CUT_S = 3.0


class Keeper:
    """Keeps one child alive: the control process, or the worker of a slot."""

    def __init__(
        self,
        name: str,
        sockets: Sequence[socket.socket],
        on_report: Callable[[str, Report], None],
        *,
        is_control: bool,
    ) -> None:
        self.name = name
        self.is_control = is_control
        self._on_report = on_report
        self.child: Child | None = None
        self.sockets = tuple(sockets)

    async def begin(self, order: Prepare, clock: SteadyClock) -> None:
        """Start the child and let it make ready.

        Raises:
            StartError: it cannot serve, for the reason that it gives.
            ChildDiedError: it died of its start.
        """
        clock()  # It follows the machine's when it is asked.
        self.child = await Child.spawn(
            self.name, self.sockets, lambda report: self._on_report(self.name, report)
        )
        await self.child.ask(
            Begin(
                self.name,
                self.is_control,
                tuple(sock.fileno() for sock in self.sockets),
                order.config,
                order.control_socket,
                clock.offset_s,
            ),
            START_LIMIT_S,
        )

    async def ask(self, order: Prepare | Commit | Abandon) -> None:
        """Let the child do something, unless there is none; raises what `Child.ask` does."""
        if self.child is not None:
            await self.child.ask(order)

    def leave_to_others(self) -> None:
        """Let the other workers have this one's visitors until it serves again.

        Bound and not listening, a socket gets no connections; those that wait are reset.
        """
        # Where there is no room for other sockets, they wait for this one after all.
        with contextlib.suppress(StartError, OSError):
            before, self.sockets = self.sockets, tuple(twins_of(self.sockets))
            for sock in before:
                sock.close()

    async def bury(self) -> str:
        """Wait until the child is gone, and tell how it ended."""
        child = self.child
        if child is None:
            return f"{self.name} was never started"
        how = await child.wait_died()
        if self.child is child:
            self.child = None
        return how


class Supervisor:
    """Runs the children; a `reload.Target`."""

    def __init__(
        self, config: Config, slots: Sequence[Sequence[socket.socket]], folder: RunFolder
    ) -> None:
        self._folder = folder
        self._now = Prepare(config, folder.next_control())
        self._next: Prepare | None = None
        self._changing = asyncio.Lock()
        self._clock = SteadyClock()
        self._reports = Reports()
        self._control = Keeper("control", (), self._on_report, is_control=True)
        self._workers = [
            Keeper(f"worker-{number}", sockets, self._on_report, is_control=False)
            for number, sockets in enumerate(slots, 1)
        ]

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """The sockets of all slots."""
        return [sock for keeper in self._workers for sock in keeper.sockets]

    async def start(self) -> None:
        """Start every child; visitors are let in when all are ready.

        Raises:
            StartError: one of them cannot serve.
        """
        keepers = (self._control, *self._workers)
        begun = await asyncio.gather(
            *(keeper.begin(self._now, self._clock) for keeper in keepers), return_exceptions=True
        )
        for error in begun:
            if isinstance(error, ChildDiedError):
                raise StartError(str(error)) from error
            if error is not None:
                raise error
        for keeper in keepers:
            await keeper.ask(Commit())

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Replace within whoever dies."""
        async with asyncio.TaskGroup() as tasks:
            keeping = [
                tasks.create_task(self._keep(keeper), name=keeper.name)
                for keeper in (self._control, *self._workers)
            ]
            try:
                yield
            finally:
                for task in keeping:
                    task.cancel()

    async def prepare(self, config: Config) -> None:
        """Let every child make ready; the control process last, since it publishes plans."""
        await self._changing.acquire()
        self._next = Prepare(config, self._folder.next_control())
        for keepers in (self._workers, [self._control]):
            for error in await _ask_all(keepers, self._next):
                if isinstance(error, ChildDiedError):
                    raise StartError(f"{error} while it made ready; nothing was changed") from error
                if error is not None:
                    raise error

    async def commit(self) -> None:
        """Let every child swap; the workers first, since only they know of the new pages."""
        if self._next is None:
            return
        self._now, self._next = self._next, None
        await self._tell_all(Commit())
        self._changing.release()

    async def abandon(self) -> None:
        """Let every child forget what it made ready."""
        if self._next is None:
            return
        self._next = None
        await self._tell_all(Abandon())
        self._changing.release()

    async def stop(self, hurry: asyncio.Event) -> None:
        """Let the workers drain, then end the control process, which their last requests need."""
        # Ours first: the worker that closes the last of a slot's sockets lets in who waits there.
        for keeper in self._workers:
            for sock in keeper.sockets:
                sock.close()
        limit_s = self._now.config.proxy.drain_s + _MARGIN_S
        await _end(self._workers, limit_s, hurry)
        await _end([self._control], _MARGIN_S, hurry)

    async def _tell_all(self, order: Commit | Abandon) -> None:
        for keepers in (self._workers, [self._control]):
            for error in await _ask_all(keepers, order):
                # Who is dead is replaced, by one that goes by what holds now.
                if error is not None and not isinstance(error, ChildDiedError):
                    raise error

    def _on_report(self, name: str, report: Report) -> None:
        self._reports.take(name, report)
        self._tell_control()

    def _tell_control(self) -> None:
        """Say sums: said twice, or to a control process that has just begun, they are right."""
        if self._control.child is not None:
            self._control.child.report(self._reports.sum_up())

    async def _keep(self, keeper: Keeper) -> None:
        """Replace the child whenever it dies."""
        wait_s, why = _FIRST_WAIT_S, None
        while True:
            child = keeper.child
            how = await keeper.bury()
            if not keeper.is_control:
                self._reports.bury(keeper.name)
                self._tell_control()
            if child is not None and child.age_s >= _STEADY_S:
                wait_s = _FIRST_WAIT_S
            _log.error("child_died", child=keeper.name, how=how, why=why, again_in_s=wait_s)
            if wait_s > _FIRST_WAIT_S:
                keeper.leave_to_others()
            await asyncio.sleep(wait_s)
            wait_s, why = min(wait_s * 2, _LONGEST_WAIT_S), None
            try:
                # No change of the configuration meanwhile: the child would miss it.
                async with self._changing:
                    await keeper.begin(self._now, self._clock)
                    await keeper.ask(Commit())
                    self._tell_control()
            except (StartError, ChildDiedError) as error:
                why = str(error)
            else:
                _log.info("child_replaced", child=keeper.name)


@asynccontextmanager
async def supervising(
    config: Config,
    slots: Sequence[Sequence[socket.socket]],
    folder: RunFolder,
    hurry: asyncio.Event,
) -> AsyncIterator[Supervisor]:
    """Serve within, by children; at the end let them drain, until `hurry` is set.

    Raises:
        StartError: a child cannot serve.
    """
    supervisor = Supervisor(config, slots, folder)
    try:
        await supervisor.start()
        async with supervisor.keeping():
            yield supervisor
    finally:
        await supervisor.stop(hurry)


async def _ask_all(
    keepers: Sequence[Keeper], order: Prepare | Commit | Abandon
) -> list[BaseException | None]:
    """Ask all at once, so that one who hangs makes no other wait; return what went wrong."""
    asked = (keeper.ask(order) for keeper in keepers)
    return await asyncio.gather(*asked, return_exceptions=True)


async def _end(keepers: Sequence[Keeper], limit_s: float, hurry: asyncio.Event) -> None:
    """Ask children to end, then urge them, then kill them."""
    gone = asyncio.ensure_future(asyncio.gather(*(keeper.bury() for keeper in keepers)))
    children = [keeper.child for keeper in keepers if keeper.child is not None]
    hurried = asyncio.create_task(hurry.wait())
    for child in children:
        child.stop()
    await asyncio.wait((gone, hurried), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if not gone.done():
        for child in children:
            child.stop()
        await asyncio.wait((gone,), timeout=_CUT_S)
    for child in children:
        child.kill()
    await gone
