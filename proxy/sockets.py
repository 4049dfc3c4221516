"""What asyncio's transports do not do by themselves."""

import asyncio
import socket
import struct
from typing import Final

# Linger for no time: closing resets the connection (socket(7)).
_RESET: Final = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Break a connection off so that its other end cannot take it for an orderly end."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
