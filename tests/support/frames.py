"""WebSocket peers that speak bytes: handshakes, and frames good and bad (RFC 6455)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.answers import Answers
from tests.support.raw import Peer
from tests.support.scene import END, Scene, request

KEY = b"\x11\x22\x33\x44"
TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
FIN, RSV1 = 0x80, 0x40

ASKED = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
HANDSHAKE = request("GET", "ws", *ASKED)
"""To the public part."""

AGREED_WITH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n%b\r\n"
)
AGREED = AGREED_WITH % b""
DEFLATED = AGREED_WITH % b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
"""The sample of RFC 6455 section 1.3; DEFLATED with compression."""


def frame(first: int, payload: bytes = b"", *, mask: bool = False, key: bytes = KEY) -> bytes:
    """Return a frame with its first byte as given and its length in its shortest form."""
    size, flag = len(payload), 0x80 if mask else 0
    if size < 126:
        head = bytes([first, flag | size])
    elif size < 65_536:
        head = bytes([first, flag | 126]) + size.to_bytes(2)
    else:
        head = bytes([first, flag | 127]) + size.to_bytes(8)
    return head + key + apply_mask(payload, key) if mask else head + payload


def apply_mask(payload: bytes, key: bytes) -> bytes:
    """Return the payload masked, or unmasked again."""
    size = len(payload)
    pad = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(pad)).to_bytes(size)


def close_with(code: int, reason: bytes = b"", *, mask: bool = False) -> bytes:
    """Return a close frame."""
    return frame(FIN | CLOSE, code.to_bytes(2) + reason, mask=mask)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it was received, its payload without the mask."""

    first: int
    payload: bytes
    is_masked: bool

    @property
    def opcode(self) -> int:
        return self.first & 0x0F

    @property
    def code(self) -> int | None:
        """The code of a close frame; None where it has none."""
        return int.from_bytes(self.payload[:2]) if self.payload else None


class Frames:
    """The frames that come to a peer, one after the other."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._at = len(peer.received)

    def begin_at(self, position: int) -> None:
        """Go on at this place of what was received."""
        self._at = position

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self._peer.send(data)

    async def next(self) -> Frame | None:
        """Return the next frame; None if the connection ends before it is whole."""
        head = await self._take(2)
        if len(head) < 2:
            return None
        size, is_masked = head[1] & 0x7F, bool(head[1] & 0x80)
        if size > 125:
            size = int.from_bytes(await self._take(2 if size == 126 else 8))
        key = await self._take(4) if is_masked else b""
        payload = await self._take(size)
        if len(payload) < size:
            return None
        return Frame(head[0], apply_mask(payload, key) if is_masked else payload, is_masked)

    async def all(self) -> list[Frame]:
        """Return all frames until the connection ends."""
        found = []
        while (received := await self.next()) is not None:
            found.append(received)
        return found

    async def _take(self, size: int) -> bytes:
        while len(self._peer.received) < self._at + size:
            try:
                if not await self._peer.read():
                    break
            except ConnectionResetError:
                break
        taken = bytes(self._peer.received[self._at : self._at + size])
        self._at += len(taken)
        return taken


@asynccontextmanager
async def open_socket(
    scene: Scene, *, behind: bytes = b"", asked: bytes = HANDSHAKE
) -> AsyncIterator[tuple[Peer, Frames]]:
    """Open a WebSocket through the gate; `behind` is sent in one piece with the handshake."""
    async with scene.visit(asked + behind) as (visitor, answers):
        yield visitor, await opened(visitor, answers)


async def opened(visitor: Peer, answers: Answers) -> Frames:
    """Return the frames behind the agreement."""
    status, fields = await answers.head()
    assert status == 101, (status, fields)
    frames = Frames(visitor)
    frames.begin_at(visitor.received.index(END) + len(END))
    return frames


async def accept(peer: Peer, answer: bytes = AGREED) -> Frames:
    """Agree to what the gate asks for, as its app."""
    received = await peer.read_until(END)
    frames = Frames(peer)
    frames.begin_at(received.index(END) + len(END))
    await peer.send(answer)
    return frames


async def echo_frames(peer: Peer, heard: list[Frame] | None = None) -> None:
    """Agree, send every frame back as it came, and close once told to."""
    frames = await accept(peer)
    await echo_to_end(peer, frames, heard if heard is not None else [], mask=False)
    await peer.close()


async def echo_to_end(peer: Peer, frames: Frames, heard: list[Frame], *, mask: bool) -> None:
    """Send frames back up to a close frame, a ping as a pong; note in `heard` what came."""
    while (received := await frames.next()) is not None:
        heard.append(received)
        if received.opcode != PONG:
            first = FIN | PONG if received.opcode == PING else received.first
            await peer.send(frame(first, received.payload, mask=mask))
        if received.opcode == CLOSE:
            break
