"""An app and a visitor that speak bytes: what no HTTP library would send, or tell us of."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LIMIT_S = 30.0

# On, and no time to linger: closing sends RST instead of FIN.
_RESETTING = struct.pack("ii", 1, 0)


@dataclass
class Peer:
    """One end of a connection; `received` is every byte that came, in order."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytearray = field(default_factory=bytearray)

    async def read(self) -> bytes:
        """Return what comes next; empty at the end.

        What came before a reset is returned before the reset is raised.
        """
        try:
            async with asyncio.timeout(LIMIT_S):
                data = await self.reader.read(65_536)
        except ConnectionResetError:
            # A StreamReader holds back what it has once it knows of a reset.
            held: bytearray = self.reader._buffer  # type: ignore[attr-defined] # as above
            if not held:
                raise
            data = bytes(held)
            held.clear()
        self.received += data
        return data

    async def read_until(self, mark: bytes, *, times: int = 1) -> bytes:
        """Read on until `mark` has come `times` times, and return all that was received."""
        while self.received.count(mark) < times:
            if not await self.read():
                raise EOFError(f"closed after {bytes(self.received)!r}")
        return bytes(self.received)

    async def read_to_end(self) -> bytes:
        """Read until the other end closes or resets, and return all that was received."""
        try:
            while await self.read():
                pass
        except ConnectionResetError:
            pass
        return bytes(self.received)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        async with asyncio.timeout(LIMIT_S):
            await self.writer.drain()

    def end(self) -> None:
        """Say that nothing more will be sent, and go on reading."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Break the connection off with RST; what was not sent yet is lost."""
        sock = self.writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            # asyncio itself fails where a closed transport is aborted.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETTING)
            self.writer.transport.abort()

    async def close(self) -> None:
        """Close the connection, whatever its state."""
        self.writer.close()
        try:
            async with asyncio.timeout(LIMIT_S):
                await self.writer.wait_closed()
        except ConnectionError:
            pass


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class RawApp:
    """An app behind the gate. `peers` are its connections so far, the newest last."""

    url: str = ""
    peers: list[Peer] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    @property
    def received(self) -> bytes:
        """Every byte that came, over all connections."""
        return b"".join(bytes(peer.received) for peer in self.peers)


@asynccontextmanager
async def run_raw_app(script: Script) -> AsyncIterator[RawApp]:
    """Serve each connection by `script`, which may end without closing it."""
    app = RawApp()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        app.peers.append(peer)
        try:
            await script(peer)
        except (ConnectionError, EOFError):
            await peer.close()
        except (AssertionError, TimeoutError) as failure:
            app.failures.append(failure)
            await peer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    app.url = f"http://{host}:{port}"
    try:
        yield app
    finally:
        server.close()
        for peer in app.peers:
            await peer.close()
    assert not app.failures, app.failures


@asynccontextmanager
async def raw_visitor(port: int) -> AsyncIterator[Peer]:
    """Connect to the gate."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    peer = Peer(reader, writer)
    try:
        yield peer
    finally:
        await peer.close()


def answering(answer: bytes) -> Script:
    """Return a script that answers every request head with the same bytes and keeps open."""

    async def script(peer: Peer) -> None:
        times = 0
        while True:
            times += 1
            await peer.read_until(b"\r\n\r\n", times=times)
            await peer.send(answer)

    return script
