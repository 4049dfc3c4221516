"""How a supervisor and its children speak: whole objects over a socket, the child's stdin.

Both ends are the same program of the same user, started one by the other, over a socket that
nobody else can reach; pickles from anywhere else would be commands.
"""

import asyncio
import contextlib
import pickle
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.config.schema import Config

_LENGTH = struct.Struct("!I")


class ChannelClosedError(Exception):
    """The other end is gone."""


@dataclass(frozen=True, slots=True)
class Begin:
    """To a new child: what it is, and what it serves. `sockets` are descriptors it was born with.

    The configuration is sent, and not read again: the file may be half edited by now. The clock's
    offset is that of the supervisor's, so that no child's clock is behind the others'.
    """

    name: str
    is_control: bool
    sockets: tuple[int, ...]
    config: Config
    control_socket: Path
    clock_offset_s: float


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make ready for another configuration; nothing is changed by it yet."""

    config: Config
    control_socket: Path


@dataclass(frozen=True, slots=True)
class Commit:
    """Serve by what was prepared."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """Forget what was prepared."""


# Besides these, each may send a `reports.Report`, which is not answered: a worker about itself,
# the supervisor to the control process about all.


@dataclass(frozen=True, slots=True)
class End:
    """End when what runs is done; said again, cut it. Heard whatever the child does; not answered.

    No signal: a service manager sends those to every process by itself, and once may be twice then.
    """


@dataclass(frozen=True, slots=True)
class Done:
    """From the child: it has done what it was asked."""


@dataclass(frozen=True, slots=True)
class Failed:
    """From the child: it cannot, and why, for the operator."""

    why: str


class Channel:
    """One end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> Self:
        """Return the end that the connected socket is."""
        return cls(*await asyncio.open_unix_connection(sock=sock))

    async def send(self, message: object) -> None:
        """Send.

        Raises:
            ChannelClosedError: nobody hears it.
        """
        data = pickle.dumps(message)
        try:
            self._writer.write(_LENGTH.pack(len(data)) + data)
            await self._writer.drain()
        except ConnectionError as error:
            raise ChannelClosedError from error

    def tell(self, message: object) -> None:
        """Send, and do not wait for it; who does not hear it any more, is gone."""
        data = pickle.dumps(message)
        with contextlib.suppress(ConnectionError):
            self._writer.write(_LENGTH.pack(len(data)) + data)

    async def receive(self) -> object:
        """Wait for the next message.

        Raises:
            ChannelClosedError: there will be none.
        """
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            return pickle.loads(await self._reader.readexactly(length))  # noqa: S301 - see above
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ChannelClosedError from error

    def close(self) -> None:
        """Say that nothing more will come."""
        self._writer.close()
