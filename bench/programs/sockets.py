"""Idle WebSockets: `sockets serve PORT`, and `sockets open PORT HOST TOKEN COUNT`.

The client prints a line once all are open, and for each line that it is sent then says
something through every hundredth and waits for the echo, so that no dead one is counted.
"""

import asyncio
import base64
import hashlib
import json
import os
import socket
import sys
from typing import cast

import uvloop

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_AT_ONCE = 100
_EVERY = 100
_TIMEOUT_S = 60.0
# Ports run out at about 28,000 for one address.
_PER_ADDRESS = 5_000
_WORD = b"still here"


class _App(asyncio.Protocol):
    """Agrees to a WebSocket, and sends back the payload of each small frame."""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's has no class in common with asyncio's, only the methods.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None  # noqa: S101 - made before data comes
        if self._head is None:
            self._transport.write(_frame(_unmasked(data)))
            return
        self._head += data
        if b"\r\n\r\n" in self._head:
            key = _value(self._head, b"sec-websocket-key")
            accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
            self._head = None
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )


def _frame(payload: bytes, mask: bytes = b"") -> bytes:
    """Return a text frame of at most 125 bytes (RFC 6455 section 5.2)."""
    masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if mask else payload
    return bytes([0x81, len(payload) | (0x80 if mask else 0)]) + mask + masked


def _unmasked(frame: bytes) -> bytes:
    mask = frame[2:6]
    return bytes(b ^ mask[i % 4] for i, b in enumerate(frame[6:]))


def _value(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    raise ValueError(f"no {name!r} in {head!r}")


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_App, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


async def _open_all(port: int, host: str, token: str, count: int) -> None:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def open_one(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with limit, asyncio.timeout(_TIMEOUT_S):
            return await _open(port, host, token, number)

    opened = await asyncio.gather(*map(open_one, range(count)))
    sys.stdout.write(json.dumps({"open": len(opened)}) + "\n")
    sys.stdout.flush()
    while await asyncio.to_thread(sys.stdin.readline):
        for reader, writer in opened[::_EVERY]:
            writer.write(_frame(_WORD, os.urandom(4)))
            async with asyncio.timeout(_TIMEOUT_S):
                echo = await reader.readexactly(2 + len(_WORD))
            if echo != _frame(_WORD):
                raise ValueError(f"the echo was {echo!r}")
        sys.stdout.write(json.dumps({"alive": len(opened[::_EVERY])}) + "\n")
        sys.stdout.flush()


async def _open(
    port: int, host: str, token: str, number: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    source = f"127.0.0.{2 + number // _PER_ADDRESS}"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        (
            f"GET /v1/live HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n"
        ).encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        raise ValueError(f"no WebSocket: {head!r}")
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return reader, writer


def main() -> None:
    """Serve until stopped, or open sockets and hold them until stdin ends."""
    match sys.argv[1:]:
        case ["serve", port]:
            uvloop.run(_serve(int(port)))
        case ["open", port, host, token, count]:
            uvloop.run(_open_all(int(port), host, token, int(count)))
        case _:
            raise SystemExit(2)


if __name__ == "__main__":
    main()
