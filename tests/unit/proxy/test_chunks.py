"""Chunked bodies: read strictly, in any pieces, and written in one form."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.chunks import ChunkError, ChunkReader, write_chunk, write_last


def read(*pieces: bytes) -> tuple[bytes, bytes, ChunkReader]:
    """Return the body, what follows it, and the reader."""
    reader, body, rest = ChunkReader(), b"", b""
    for piece in pieces:
        data, left = reader.feed(piece)
        body += b"".join(data)
        rest += left
    return body, rest, reader


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


trailers = st.lists(
    st.tuples(
        st.from_regex(rb"[A-Za-z-]{1,8}", fullmatch=True), st.sampled_from([b"", b"v", b"a b"])
    ),
    max_size=3,
)


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    trailers=trailers,
    after=st.binary(max_size=10),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_what_is_written_is_read_in_any_pieces(
    chunks: list[bytes], trailers: list[tuple[bytes, bytes]], after: bytes, cuts: list[int]
) -> None:
    written = b"".join(map(write_chunk, chunks)) + write_last(trailers)

    body, rest, reader = read(*split(written + after, cuts))

    assert reader.is_done
    assert body == b"".join(chunks)
    assert rest == after
    assert reader.trailers == tuple(trailers)


@pytest.mark.parametrize(
    "sent",
    [
        b"5;name=value\r\nhello\r\n0\r\n\r\n",
        b'5 ; q="a;b"\r\nhello\r\n0;last\r\n\r\n',
        b'5\t;\ta\t=\tb;c;d="";e="\xe4\\"\\\\"\r\nhello\r\n0\r\n\r\n',
        b"0005\r\nhello\r\n000\r\n\r\n",
    ],
)
def test_extensions_and_zeros_are_read_over(sent: bytes) -> None:
    body, rest, reader = read(sent)

    assert (body, rest, reader.is_done) == (b"hello", b"", True)


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n",
        b"x\r\n",
        b"-5\r\n",
        b"+5\r\n",
        b"0x5\r\n",
        b"5_0\r\n",
        b" 5\r\n",
        b"5 \r\n",
        b"5\n",
        b"5\rX\n",
        b"5;a\rb\r\n",
        b"5;a\x00\r\n",
        b"5;\r\n",
        b"5;a=\r\n",
        b"5;;a\r\n",
        b"5;a=b c\r\n",
        b'5;a="b\r\n',
        b'5;a="b\\\r\n',
        b'5;a="b"c\r\n',
        b"12345678901234567\r\n",
        b"5\r\nhelloXX",
        b"5\r\nhello\n",
        b"5\r\nhello\rX",
        b"5;" + b"a" * 300,
        b"0\r\nno colon\r\n\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\r\nA: b\r\n folded\r\n\r\n",
        b"0\r\nA: b\nB: c\r\n\r\n",
        b"0\r\nA: \x00\r\n\r\n",
        b"0\r\nA:" + b" " * 8000 + b"\x00\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 2000,
    ],
)
def test_what_others_may_read_differently_is_an_error(sent: bytes) -> None:
    with pytest.raises(ChunkError):
        read(sent)
    with pytest.raises(ChunkError):
        read(*(bytes([byte]) for byte in sent))


def test_chunks_of_one_byte_carry_no_flood_of_extensions() -> None:
    with pytest.raises(ChunkError, match="extensions"):
        read((b"1;" + b"a" * 240 + b"\r\nX\r\n") * 100)
