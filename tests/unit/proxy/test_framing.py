"""Where a body ends, from the fields that are forwarded (RFC 9112 section 6)."""

import pytest

from proxy.wire.framing import (
    CHUNKED,
    UNTIL_CLOSE,
    FramingError,
    frame_request,
    frame_response,
)


@pytest.mark.parametrize(
    ("lengths", "encodings", "framing"),
    [
        ([], [], 0),
        ([b"0"], [], 0),
        ([b"007"], [], 7),
        ([b"123456789012345678"], [], 123456789012345678),
        ([], [b"chunked"], CHUNKED),
        ([], [b"Chunked"], CHUNKED),
    ],
)
def test_request_is_framed_in_one_way(
    lengths: list[bytes], encodings: list[bytes], framing: int
) -> None:
    assert frame_request(lengths, encodings, is_http_10=False) == framing


@pytest.mark.parametrize(
    ("lengths", "encodings"),
    [
        ([b"5", b"5"], []),
        ([b"5", b"6"], []),
        ([b"5, 5"], []),
        ([b"+5"], []),
        ([b"-5"], []),
        ([b"5_0"], []),
        ([b"0x5"], []),
        ([b""], []),
        ([b"\xb2"], []),
        ([b"1" * 19], []),
        ([b"5"], [b"chunked"]),
        ([], [b"chunked", b"chunked"]),
        ([], [b"gzip, chunked"]),
        ([], [b"identity"]),
        ([], [b""]),
        ([], [b"chunked;q=1"]),
        ([], [b"xchunked"]),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(
    lengths: list[bytes], encodings: list[bytes]
) -> None:
    with pytest.raises(FramingError):
        frame_request(lengths, encodings, is_http_10=False)
    with pytest.raises(FramingError):
        frame_response(lengths, encodings, status=200, is_head=False, is_http_10=False)


def test_http_1_0_knows_no_chunks() -> None:
    with pytest.raises(FramingError):
        frame_request([], [b"chunked"], is_http_10=True)
    with pytest.raises(FramingError):
        frame_response([], [b"chunked"], status=200, is_head=False, is_http_10=True)


@pytest.mark.parametrize(
    ("status", "is_head"), [(200, True), (204, False), (304, False), (103, False), (101, False)]
)
def test_answer_without_a_body_has_none_whatever_it_says(status: int, is_head: bool) -> None:
    assert frame_response([b"5"], [], status=status, is_head=is_head, is_http_10=False) == 0


def test_answer_that_says_nothing_lasts_until_the_connection_ends() -> None:
    assert frame_response([], [], status=200, is_head=False, is_http_10=False) == UNTIL_CLOSE
