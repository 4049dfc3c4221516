"""The network between the product and one of its servers, which can be cut, silenced, slowed.

A link listens on 127.0.0.1 and carries each connection to the server behind it. What does
not get through meanwhile waits with the sender, as on a real network: no more than one piece
for each direction of a connection is kept here.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

_PIECE_BYTES: Final = 64 * 1024
# A server that does not accept within this is taken for one that refuses.
_CONNECT_S: Final = 5.0

Address = tuple[str, int] | Path
"""Host and port, or the path of a unix socket."""


class Way(StrEnum):
    """A direction, as seen from the product."""

    THERE = "there"
    BACK = "back"


class Link:
    """Carries connections; well at first. Every change holds at once, for open ones too.

    `server` is where new connections lead to; a server that was started anew may be elsewhere.
    """

    def __init__(self, server: Address) -> None:
        self.server = server
        self._listener: asyncio.Server | None = None
        self._carried: set[asyncio.Task[None]] = set()
        self._open = {way: asyncio.Event() for way in Way}
        self._is_cut = False
        self._delay_s = 0.0
        for event in self._open.values():
            event.set()

    @property
    def port(self) -> int:
        """Return the port of 127.0.0.1 that it listens on."""
        if self._listener is None:
            raise AssertionError("the link is not open")
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Return how many connections it carries."""
        return len(self._carried)

    async def start(self) -> None:
        """Begin to listen, on a free port."""
        self._listener = await asyncio.start_server(self._carry, "127.0.0.1", 0)

    async def stop(self) -> None:
        """End all."""
        if self._listener is not None:
            self._listener.close()
        await self._drop_all()

    async def cut(self) -> None:
        """End every connection, and every new one as soon as it is made, until mended."""
        self._is_cut = True
        await self._drop_all()

    def silence(self, *ways: Way) -> None:
        """Let nothing through, in these directions or in both, and tell nobody (half-open)."""
        for way in ways or tuple(Way):
            self._open[way].clear()

    def slow(self, delay_s: float) -> None:
        """Hold every piece back for so long."""
        self._delay_s = delay_s

    def mend(self) -> None:
        """Let everything through again, at once; what was held comes late."""
        self._is_cut = False
        self._delay_s = 0.0
        for event in self._open.values():
            event.set()

    async def lose(self) -> None:
        """End every connection once; new ones are carried."""
        await self._drop_all()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._is_cut:
            writer.transport.abort()
            return
        self._carried.add(task)
        try:
            async with _connection(self.server) as (answers, asks):
                await self._join((reader, asks), (answers, writer))
        except (OSError, TimeoutError, asyncio.CancelledError):
            # Cancelled by us alone: nobody else knows the task.
            pass
        finally:
            self._carried.discard(task)
            writer.transport.abort()

    async def _join(
        self,
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        back: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Carry both directions until one has ended."""
        ways = [
            asyncio.create_task(self._pump(Way.THERE, *there)),
            asyncio.create_task(self._pump(Way.BACK, *back)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pump(
        self, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while piece := await source.read(_PIECE_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._open[way].wait()
            sink.write(piece)
            await sink.drain()

    async def _drop_all(self) -> None:
        carried = tuple(self._carried)
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)


@asynccontextmanager
async def open_link(server: Address) -> AsyncIterator[Link]:
    """Yield a link to the server that is well."""
    link = Link(server)
    await link.start()
    try:
        yield link
    finally:
        await link.stop()


@asynccontextmanager
async def _connection(
    target: Address,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(_CONNECT_S):
        if isinstance(target, Path):
            reader, writer = await asyncio.open_unix_connection(target)
        else:
            reader, writer = await asyncio.open_connection(*target)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
