"""A child of `tollway serve --workers N`: a worker that serves visitors, or the control process.

Run as `python -m gateway.child NAME` by the supervisor, with a channel as its stdin. It ends
when it is asked to over that, and when the supervisor is gone; signals are for the supervisor.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from typing import Final

from gateway.channel import Abandon, Begin, Channel, ChannelClosedError, Commit, Done, End, Failed
from gateway.channel import Prepare as PrepareOrder
from gateway.clock import SteadyClock
from gateway.errors import StartError
from gateway.health import find_missing
from gateway.lifecycle import Gateway, open_gateway, serving
from gateway.metrics import Metrics
from gateway.observability import log_to_stdout
from gateway.reports import Report, Told
from gateway.wiring.extras import Extras

# Counts may be so late; each process adds little to those of a restart.
_REPORT_EVERY_S: Final = 1.0


class _Orders:
    """What the supervisor asks, one after the other; `hurry` is set when it is gone.

    What it tells of others is heard at once, by `told`.
    """

    def __init__(self, channel: Channel, hurry: asyncio.Event) -> None:
        self.told = Told()
        self._channel = channel
        self._hurry = hurry
        self._waiting: asyncio.Queue[object] = asyncio.Queue()

    async def follow(self, main: "asyncio.Task[None]") -> None:
        """Take orders until the supervisor is gone; then end `main`, whatever it does."""
        with contextlib.suppress(ChannelClosedError):
            while True:
                order = await self._channel.receive()
                if isinstance(order, Report):
                    self.told.report = order
                elif not isinstance(order, End):
                    self._waiting.put_nowait(order)
                elif main.cancelling():
                    self._hurry.set()
                else:
                    main.cancel()
        self._hurry.set()
        main.cancel()

    async def next(self) -> object:
        """Wait for the next order."""
        return await self._waiting.get()

    def report(self, report: Report) -> None:
        """Tell how we are; nobody answers."""
        self._channel.tell(report)

    async def answer(self, message: Done | Failed) -> None:
        """Tell what came of it."""
        with contextlib.suppress(ChannelClosedError):  # `follow` ends us then.
            await self._channel.send(message)


async def run() -> None:
    """Be the child until it is over."""
    hurry = asyncio.Event()
    orders = _Orders(await Channel.over(socket.socket(fileno=0)), hurry)
    main = asyncio.create_task(_serve(orders, hurry), name="main")
    following = asyncio.create_task(orders.follow(main), name="orders")
    with contextlib.suppress(asyncio.CancelledError):
        await main
    following.cancel()


async def _serve(orders: _Orders, hurry: asyncio.Event) -> None:
    begin = await orders.next()
    if not isinstance(begin, Begin):
        raise TypeError(f"{begin!r} is no beginning")
    log_to_stdout(begin.name)
    sockets = [socket.socket(fileno=number) for number in begin.sockets]
    extras = Extras(clock=SteadyClock(begin.clock_offset_s), meter=Metrics(orders.told))
    try:
        async with open_gateway(
            begin.config,
            begin.control_socket,
            extras,
            name=begin.name,
            has_front=not begin.is_control,
            has_back=begin.is_control,
        ) as gateway:
            await orders.answer(Done())
            if isinstance(await orders.next(), Commit):
                async with serving(gateway, sockets, hurry), asyncio.TaskGroup() as tasks:
                    await orders.answer(Done())
                    if not begin.is_control:
                        tasks.create_task(
                            _report(begin.name, gateway, extras, orders), name="reports"
                        )
                    await _obey(gateway, orders)
    except StartError as error:
        await orders.answer(Failed(str(error)))


async def _report(name: str, gateway: Gateway, extras: Extras, orders: _Orders) -> None:
    """Tell the supervisor that we run, and what has changed about us, for ever."""
    last = None
    while True:
        missing = await find_missing(gateway.checks)
        tasks = {name: len(asyncio.all_tasks())}
        report = Report(dict(extras.meter.outages.own), missing, tasks)
        if report != last:
            orders.report(report)
            last = report
        await asyncio.sleep(_REPORT_EVERY_S)


async def _obey(gateway: Gateway, orders: _Orders) -> None:
    """Carry out changes of the configuration, for ever."""
    while True:
        match await orders.next():
            case PrepareOrder(config, control_socket):
                try:
                    await gateway.prepare(config, control_socket)
                except StartError as error:
                    await orders.answer(Failed(str(error)))
                    continue
            case Commit():
                gateway.commit()
            case Abandon():
                await gateway.abandon()
        await orders.answer(Done())


def main() -> None:
    """Run the child."""
    # For the supervisor, which passes on what concerns us.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    factory = asyncio.new_event_loop
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - there is none for Windows

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


if __name__ == "__main__":
    main()
