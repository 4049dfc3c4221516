"""What asyncio's transports do not do by themselves."""

import asyncio
import socket
import struct
from typing import Final

# Linger for no time: closing resets the connection (socket(7)).
_RESET: Final = struct.pack("ii", 1, 0)
# Routers forget idle connections after minutes; Linux by itself asks after two hours, never
# unless it is told to. A peer that answers none of four is gone, two minutes after the last byte.
_PROBES: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


def reset(transport: asyncio.Transport) -> None:
    """Break a connection off so that its other end cannot take it for an orderly end."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def address_of(transport: asyncio.BaseTransport) -> str:
    """Return the other end's address; empty over a unix socket."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


def can_half_close(transport: asyncio.Transport | None) -> bool:
    """Tell whether something can be sent to an end that sends no more; over TLS nothing can.

    asyncio ends TLS both ways at once.
    """
    return transport is not None and transport.can_write_eof()


def find_out_if_gone(transport: asyncio.Transport) -> None:
    """Let the kernel ask a silent peer now and then whether it is there (tcp(7)).

    One that lost its power or its network says no goodbye, and an idle connection to it
    would stay for good.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        if hasattr(socket, name):  # macOS has other names for them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
