"""Frames of a WebSocket: followed in any pieces, refused where RFC 6455 forbids them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.frames import FrameError, FrameReader, allowed_rsv, close_frame

KEY = b"\x11\x22\x33\x44"


def frame(first: int, payload: bytes = b"", *, mask: bool = False) -> bytes:
    """Return a frame with its first byte as given and its length in its shortest form."""
    size, flag = len(payload), 0x80 if mask else 0
    if size < 126:
        head = bytes([first, flag | size])
    elif size < 65_536:
        head = bytes([first, flag | 126]) + size.to_bytes(2)
    else:
        head = bytes([first, flag | 127]) + size.to_bytes(8)
    if not mask:
        return head + payload
    return head + KEY + bytes(b ^ KEY[i % 4] for i, b in enumerate(payload))


def follow(data: bytes, *, step: int | None = None, rsv: int = 0, mask: bool = False) -> bytes:
    """Return what may be passed on of `data`, fed in pieces of `step` bytes."""
    reader, held, passed = FrameReader(from_visitor=mask, rsv=rsv), b"", b""
    step = step or len(data) or 1
    for start in range(0, len(data), step):
        held += data[start : start + step]
        good = reader.feed(held)
        passed += held[:good]
        held = held[good:]
    return passed


messages = st.lists(
    st.tuples(st.sampled_from([0x81, 0x82, 0x89, 0x8A]), st.binary(max_size=125)), max_size=6
)


@given(messages, st.integers(1, 50), st.booleans())
def test_good_frames_pass_untouched_in_any_pieces(
    parts: list[tuple[int, bytes]], step: int, mask: bool
) -> None:
    data = b"".join(frame(first, payload, mask=mask) for first, payload in parts)

    assert follow(data, step=step, mask=mask) == data


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 1_000_000])
@pytest.mark.parametrize("mask", [True, False])
def test_every_form_of_length_is_read(size: int, mask: bool) -> None:
    data = frame(0x82, b"a" * size, mask=mask) + frame(0x88, b"\x03\xe8bye", mask=mask)

    assert follow(data, step=4096, mask=mask) == data


def test_fragments_with_a_ping_between_them_pass() -> None:
    data = frame(0x01, b"a") + frame(0x89, b"?") + frame(0x00, b"b") + frame(0x80, b"c")

    assert follow(data, step=1) == data


BAD = {
    "reserved data opcode": frame(0x83),
    "reserved control opcode": frame(0x8B),
    "reserved bit": frame(0xC1, b"a"),
    "reserved bit on a control frame": frame(0xC9),
    "fragmented ping": frame(0x09),
    "long ping": frame(0x89, b"a" * 126),
    "continuation of nothing": frame(0x80, b"a"),
    "new message within another": frame(0x01, b"a") + frame(0x81, b"b"),
    "masked by an app": frame(0x81, b"a", mask=True),
    "16-bit length that needs none": b"\x81\x7e\x00\x05hello",
    "64-bit length that needs none": b"\x81\x7f" + (5).to_bytes(8) + b"hello",
    "length of more than 63 bits": b"\x81\x7f" + b"\xff" * 8,
    "half a close code": frame(0x88, b"\x03"),
    "close reason in no UTF-8": frame(0x88, b"\x03\xe8\xff"),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("step", [None, 1])
def test_forbidden_frame_is_refused(data: bytes, step: int | None) -> None:
    with pytest.raises(FrameError) as refused:
        follow(frame(0x82, b"good") + data, step=step)

    assert refused.value.code == 1002


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
def test_close_code_that_may_not_be_sent_is_refused(code: int) -> None:
    with pytest.raises(FrameError, match=str(code)):
        follow(frame(0x88, code.to_bytes(2), mask=True), mask=True)


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4402, 4999])
def test_close_code_of_an_endpoint_passes(code: int) -> None:
    data = frame(0x88, code.to_bytes(2) + b"why", mask=True)

    assert follow(data, mask=True) == data


@pytest.mark.parametrize("step", [None, 1])
def test_nothing_behind_a_close_frame_is_passed_on_or_read(step: int | None) -> None:
    closed = frame(0x81, b"a") + frame(0x88, b"\x03\xe8")

    assert follow(closed + frame(0x81, b"b") + b"\xff" * 20, step=step) == closed


def test_good_frames_before_a_bad_one_are_told() -> None:
    good = frame(0x81, b"hello")

    with pytest.raises(FrameError) as refused:
        FrameReader(from_visitor=False).feed(good + frame(0x83))

    assert refused.value.valid == len(good)


def test_compression_sets_its_bit_on_first_frames_alone() -> None:
    rsv = allowed_rsv(b"permessage-deflate; server_no_context_takeover")
    data = frame(0x41, b"a") + frame(0x80, b"b")

    assert follow(data, rsv=rsv) == data
    with pytest.raises(FrameError):
        follow(frame(0x41, b"a") + frame(0xC0, b"b"), rsv=rsv)
    assert allowed_rsv(b"") == allowed_rsv(b"x-other") == 0


@pytest.mark.parametrize("mask", [True, False])
def test_close_frame_of_ours_is_a_good_one(mask: bool) -> None:
    data = close_frame(1001, "going away" * 30, mask=mask)

    assert follow(data, mask=mask) == data
