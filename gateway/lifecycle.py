"""The life of a process: connect, start its parts, let a new configuration in, drain."""

import asyncio
import contextlib
import socket
from collections import ChainMap
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from billing.entitlements.invalidation import Listener
from gateway.clock import SteadyClock
from gateway.config.schema import Config
from gateway.front import Front
from gateway.health import Check
from gateway.last_known.keeper import LastKnown
from gateway.stores import checks_of, open_stores
from gateway.wiring.extras import Extras
from gateway.wiring.last_known import last_known_of, using_of
from gateway.wiring.notices import listener_of, listening_of

if TYPE_CHECKING:
    from gateway.back import Back

_log = structlog.get_logger("gateway")

# A database that answers does so in a hundredth of it; visitors wait for no other one.
_LISTENING_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of one process, joined: the visitors' side, the control side, or both.

    `checks` are of what each process has to itself.
    """

    front: Front | None
    back: "Back | None"
    listener: Listener
    checks: Mapping[str, Check]
    last_known: LastKnown | None

    async def prepare(self, config: Config, control_socket: Path) -> None:
        """Make what another configuration means, beside what runs; nothing is changed by it yet.

        Raises:
            StartError: it cannot be used.
        """
        if self.front is not None:
            self.front.prepare(config, control_socket)
        if self.back is not None:
            await self.back.prepare(config, control_socket)

    def commit(self) -> None:
        """Serve by what was prepared; what is under way ends as it began."""
        if self.back is not None:
            self.back.commit()
        if self.front is not None:
            self.front.commit()

    async def abandon(self) -> None:
        """Forget what was prepared."""
        if self.front is not None:
            self.front.abandon()
        if self.back is not None:
            await self.back.abandon()


@asynccontextmanager
async def open_gateway(
    config: Config,
    control_socket: Path,
    extras: Extras,
    *,
    name: str = "serve",
    has_front: bool = True,
    has_back: bool = True,
) -> AsyncIterator[Gateway]:
    """Join the parts, with the control side's pages open already if the database answers.

    `name` is the process's own among those of the gateway.

    Raises:
        StartError: the database contradicts the configuration, or is newer than this program.
    """
    async with AsyncExitStack() as stack:
        stores = await open_stores(config, extras.clock, stack)
        front = last_known = None
        if has_front:
            front = Front(config, control_socket, extras, stores)
            last_known = last_known_of(config, control_socket.parent, name, stores, extras.clock)
            if last_known is not None:
                await last_known.start()
        back = None
        checks: dict[str, Check] = {}
        if has_back:
            # The provider's library costs a proxy worker a third of a second and 30 MB.
            from gateway.back import Back  # noqa: PLC0415 - as told above

            workers: dict[str, Check] = {"workers": extras.meter.outages.told.check}
            back = Back(extras, stores, ChainMap(checks, workers, checks_of(stores)))
            stack.push_async_callback(back.stop)
        wake, refresh = (back.wake, back.refresh) if back is not None else (None, None)
        listener = listener_of(config, stores, wake, refresh)
        checks["listener"] = listening_of(listener)
        if last_known is not None:
            checks["last_known"] = using_of(last_known, listener)
        if isinstance(extras.clock, SteadyClock):
            checks["clock"] = extras.clock.check
        if back is not None:
            await back.begin(config, control_socket)
        yield Gateway(front, back, listener, checks, last_known)


@asynccontextmanager
async def serving(
    gateway: Gateway, sockets: Sequence[socket.socket], hurry: asyncio.Event
) -> AsyncIterator[None]:
    """Serve within; at the end drain, until `hurry` is set.

    Raises:
        ExceptionGroup: a background task failed in a way that nobody foresaw; better to
            be restarted than to serve without invalidation or without webhooks.
    """
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(gateway.listener.run(), name="listener")]
        last_known = gateway.last_known
        try:
            # Who comes first need not be asked about anew because we began to listen after.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LISTENING_S):
                    await gateway.listener.tried.wait()
            gateway.commit()
            if gateway.front is not None:
                await gateway.front.start(sockets)
            if last_known is not None:
                background.append(tasks.create_task(last_known.keep(), name="last known"))
            yield
        finally:
            _log.info("stopping")
            try:
                if gateway.front is not None:
                    await gateway.front.stop(hurry)
            finally:
                for task in background:
                    task.cancel()
                if last_known is not None:
                    await last_known.stop()


async def run_gateway(
    config: Config,
    sockets: Sequence[socket.socket],
    control_socket: Path,
    extras: Extras,
    on_ready: Callable[[], None],
) -> None:
    """Serve until cancelled, then drain.

    Raises:
        StartError: a part could not be started.
        ExceptionGroup: see `serving`.
    """
    async with (
        open_gateway(config, control_socket, extras) as gateway,
        serving(gateway, sockets, asyncio.Event()),
    ):
        tell_serving(config, sockets)
        on_ready()
        await asyncio.get_running_loop().create_future()


def tell_serving(config: Config, sockets: Sequence[socket.socket], workers: int = 1) -> None:
    """Write the line of the log that says that visitors are served."""
    port = sockets[0].getsockname()[1]
    _log.info("serving", port=port, apps=len(config.apps), workers=workers)
