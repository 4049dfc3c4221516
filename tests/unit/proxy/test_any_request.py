"""Whatever comes is refused, or written so that other parsers read what was decided on."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from hypothesis import given

from tests.support.corpus import Case, load_corpus
from tests.support.deciding import Decided, decide
from tests.support.hostile import built, conversation, effort
from tests.support.readings import (
    Reading,
    read_by_aiohttp,
    read_by_h11,
    read_by_h11_as_far,
)
from tests.support.tally import Tally

_NEVER = re.compile(
    rb"x-(entitlement|forwarded|tollway)-.*|forwarded|x-re(al-ip|quest-id|write-url)"
    rb"|x-original-url|proxy|(keep-alive|te|trailer|proxy-(connection|authorization|authenticate))"
)


def names(reading: Reading) -> list[bytes]:
    """Return the names of all fields, as the laxest of backends reads them."""
    fields = (*reading.fields, *(reading.trailers or ()))
    return [re.sub(rb"[^a-z0-9]", b"-", name.lower()) for name, _ in fields]


def outcome(decided: Decided) -> tuple[list[Reading], bool, bool, bool]:
    """Return what may not depend on how the bytes were cut."""
    return decided.readings, decided.refused is None, decided.closes, decided.has_more


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@effort(2000)
@given(pieces=built(conversation))
def test_any_request_is_refused_or_read_alike(
    loop: asyncio.AbstractEventLoop, tally: Tally, pieces: list[bytes]
) -> None:
    decided = decide([b"".join(pieces)])
    tally.count(forwarded=len(decided.readings), refused=decided.refused is not None)

    assert outcome(decide(pieces)) == outcome(decided)
    assert read_by_h11(b"".join(decided.sent)) == decided.readings
    for sent, reading in zip(decided.sent, decided.readings, strict=True):
        assert read_by_aiohttp(sent, loop) == [reading.without_trailers]
        assert not [name for name in names(reading) if _NEVER.fullmatch(name)]


@effort(1000)
@given(pieces=built(conversation))
def test_whoever_stands_before_us_sees_the_same_requests(tally: Tally, pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    decided = decide([raw])
    theirs, _ = read_by_h11_as_far(raw)
    tally.count(forwarded=len(decided.readings), refused=decided.refused is not None)

    # He may refuse what we take, and take what we refuse, but not take it for another.
    for ours, other in zip(decided.readings, theirs, strict=False):
        assert (ours.method, ours.body) == (other.method, other.body)


@pytest.mark.parametrize("case", load_corpus(), ids=str)
def test_corpus_in_pieces_of_a_byte_is_read_as_the_whole(case: Case) -> None:
    bytewise = (case.send[i : i + 1] for i in range(len(case.send)))

    assert outcome(decide(bytewise)) == outcome(decide([case.send]))
