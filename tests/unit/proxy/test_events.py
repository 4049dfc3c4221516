"""Where an event of a stream ends, however its lines end and however it comes in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.events import EventReader


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_event_ends_with_an_empty_line(line_end: bytes) -> None:
    events = EventReader()
    events.feed(b"id: 1" + line_end)
    assert not events.at_boundary

    rest = b"data: a" + line_end + line_end + b"data: b"

    assert events.find_end(rest) == len(rest) - len(b"data: b")


def test_crlf_in_two_pieces_is_no_empty_line() -> None:
    events = EventReader()
    events.feed(b"data: a\r")

    assert events.find_end(b"\ndata: b") == -1
    assert not events.at_boundary


def test_event_before_is_not_taken_for_the_one_under_way() -> None:
    events = EventReader()
    events.feed(b"data: a\n\nd")

    assert events.find_end(b"ata: b\n\n") == len(b"ata: b\n\n")


def test_stream_without_any_event_yet_may_end() -> None:
    assert EventReader().at_boundary


@given(st.lists(st.text("a\r\n", max_size=4).map(str.encode), max_size=8))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    lines = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events = EventReader()
    for piece in pieces:
        events.feed(piece)

    # A lone LF behind a CR that ended an event is the rest of that line's end, nothing more.
    is_between = not lines or lines.endswith(b"\n\n")
    assert events.at_boundary is is_between
