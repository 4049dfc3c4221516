"""Frames of a WebSocket (RFC 6455 section 5), followed and checked as they pass.

Payloads are skipped over, not looked at, save those of control frames, which are small:
what two peers negotiated, compression above all, stays between them.
"""

from typing import Final

CONTINUATION: Final = 0x0
CLOSE: Final = 0x8
PING: Final = 0x9
PROTOCOL_ERROR: Final = 1002

_DATA: Final = frozenset({0x0, 0x1, 0x2})
_CONTROL: Final = frozenset({0x8, 0x9, 0xA})
_CONTROL_LIMIT: Final = 125
_HEADER_LIMIT: Final = 14
_FIN: Final = 0x80
_RSV: Final = 0x70
_RSV1: Final = 0x40
_MASKED: Final = 0x80
# Codes below 3000 that an endpoint may put into a close frame (section 7.4.1, IANA's registry).
_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})


class FrameError(Exception):
    """A frame that may not be; `valid` bytes before it were good. Closes with `code`."""

    def __init__(self, why: str, valid: int) -> None:
        super().__init__(why)
        self.code = PROTOCOL_ERROR
        self.why = why
        self.valid = valid


class FrameReader:
    """Follows the frames of one direction; `rsv` are the reserved bits that were negotiated."""

    __slots__ = ("_fragmented", "_is_masked", "_left", "_rsv", "boundary", "close_at")

    def __init__(self, *, from_visitor: bool, rsv: int = 0) -> None:
        self._is_masked = from_visitor
        self._rsv = rsv
        self._left = 0  # bytes of a payload that are still to come
        self._fragmented = False
        self.boundary = 0
        """Where in the data that was fed last a frame ended last; -1 if none did."""
        self.close_at = -1
        """Where in the data that was fed last a close frame begins; -1 if none has come."""

    @property
    def is_closed(self) -> bool:
        """Tell whether a close frame has come: whatever follows it is nobody's."""
        return self.close_at >= 0

    @property
    def at_boundary(self) -> bool:
        """Tell whether the next byte begins a frame."""
        return not self._left

    def feed(self, data: bytes) -> int:
        """Follow `data`; return how many bytes of it may be passed on.

        What is left, less than a header or a control frame, is to be fed again with more. What
        follows a close frame is none of either: it is neither read nor passed on (section 5.5.1).

        Raises:
            FrameError: a frame breaks the protocol.
        """
        position, size = 0, len(data)
        self.boundary = -1 if self._left else 0
        while position < size and self.close_at < 0:
            if not self._left:
                begun, position = position, self._read_frame(data, position)
                if position == begun:
                    return position
            step = min(self._left, size - position)
            position += step
            self._left -= step
            if not self._left:
                self.boundary = position
        return position

    def _read_frame(self, data: bytes, begun: int) -> int:
        """Return where the payload begins, of a control frame where it ends; or `begun`."""
        header = data[begun : begun + _HEADER_LIMIT]
        if len(header) >= 2:
            self._check(header[0], header[1], begun)
        needed = _header_size(header)
        if len(header) < needed:
            return begun
        payload = begun + needed
        size = _payload_size(header, begun)
        if header[0] & 0x0F not in _CONTROL:
            self._fragmented = not header[0] & _FIN
            self._left = size
            return payload
        if len(data) < payload + size:
            return begun
        if header[0] & 0x0F == CLOSE:
            text = data[payload : payload + size]
            _check_close(_mask(text, header[2:6]) if self._is_masked else text, begun)
            self.close_at = begun
        return payload + size

    def _check(self, first: int, second: int, begun: int) -> None:
        opcode = first & 0x0F
        if opcode in _CONTROL:
            if not first & _FIN:
                raise FrameError("fragmented control frame", begun)
            if second & 0x7F > _CONTROL_LIMIT:
                raise FrameError("control frame too long", begun)
        elif opcode not in _DATA:
            raise FrameError("reserved opcode", begun)
        elif (opcode == CONTINUATION) is not self._fragmented:
            raise FrameError("fragments out of order", begun)
        # Compression is of whole messages: its bit is set on their first frames alone
        # (RFC 7692 section 6.1).
        allowed = self._rsv if opcode in _DATA and opcode != CONTINUATION else 0
        if first & _RSV & ~allowed:
            raise FrameError("reserved bit without an extension", begun)
        if bool(second & _MASKED) is not self._is_masked:
            raise FrameError("masked wrongly", begun)


def _header_size(header: bytes) -> int:
    if len(header) < 2:
        return 2
    length = header[1] & 0x7F
    extended = {126: 2, 127: 8}.get(length, 0)
    return 2 + extended + (4 if header[1] & _MASKED else 0)


def _payload_size(header: bytes, begun: int) -> int:
    length = header[1] & 0x7F
    if length < 126:
        return length
    is_long = length == 127
    size = int.from_bytes(header[2 : 10 if is_long else 4])
    if size <= (0xFFFF if is_long else 125) or size >> 63:
        raise FrameError("length of a frame is not in its shortest form", begun)
    return size


def _check_close(payload: bytes, begun: int) -> None:
    if not payload:
        return
    if len(payload) == 1:
        raise FrameError("close frame with half a code", begun)
    code = int.from_bytes(payload[:2])
    if code not in _CLOSE_CODES and not 3000 <= code <= 4999:
        raise FrameError(f"close code {code} may not be sent", begun)
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError("close reason is not UTF-8", begun) from None


def _mask(payload: bytes, key: bytes) -> bytes:
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    return bytes(a ^ b for a, b in zip(payload, repeated, strict=True))


def close_frame(code: int, reason: str, *, mask: bool) -> bytes:
    """Return a close frame; to an app it is masked, as a client's have to be."""
    return _control_frame(CLOSE, code.to_bytes(2) + reason.encode(), mask=mask)


def ping_frame(words: str, *, mask: bool) -> bytes:
    """Return a ping that says something; whoever does not listen answers it and that is all."""
    return _control_frame(PING, words.encode(), mask=mask)


def _control_frame(opcode: int, payload: bytes, *, mask: bool) -> bytes:
    payload = payload[:_CONTROL_LIMIT]
    if not mask:
        return bytes([_FIN | opcode, len(payload)]) + payload
    # The mask hides nothing here: the words are ours (section 10.3 is about a page's).
    key = b"\0\0\0\0"
    return bytes([_FIN | opcode, _MASKED | len(payload)]) + key + payload


def allowed_rsv(extensions: bytes) -> int:
    """Return the reserved bits that an app's `Sec-WebSocket-Extensions` allows."""
    names = {part.split(b";")[0].strip().lower() for part in extensions.split(b",")}
    return _RSV1 if b"permessage-deflate" in names else 0
