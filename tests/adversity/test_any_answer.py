"""Whatever an app says, a visitor gets its answer, a 502, or what no client takes for whole."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import pytest
import pytest_asyncio
from hypothesis import given

from tests.support.answers import Requests
from tests.support.hearing import Heard, hear_by_h11
from tests.support.hostile import built, effort, in_pieces
from tests.support.raw import Peer
from tests.support.saying import Said, answer, take_in
from tests.support.scene import request
from tests.support.stage import Stage, set_stage
from tests.support.tally import Tally

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What the gate adds to each answer.
ADDED = frozenset({b"x-request-id", b"connection"})


@dataclass(frozen=True)
class Line:
    """What an app says to whom, in pieces, and whether its last is a RST."""

    method: str
    version: str
    pieces: list[bytes] = field(default_factory=list)
    resets: bool = False


def line(rnd: Random) -> Line:
    """Return what an app says."""
    return Line(
        rnd.choice(["GET", "GET", "GET", "POST", "HEAD"]),
        rnd.choice(["1.1"] * 6 + ["1.0"]),
        in_pieces(rnd, answer(rnd)),
        rnd.random() < 0.1,
    )


@dataclass
class Play:
    """A stage, and what its app says next."""

    stage: Stage = field(repr=False)
    line: Line

    async def hear(self, line: Line) -> Heard:
        """Ask the app, and return what is heard."""
        self.line = line
        asked = request(line.method, "", "Connection: close", version=line.version)
        async with self.stage.visit([asked]) as visitor:
            received, was_reset = await _read(visitor)
        # Or the gate would soon ask this app no more.
        self.stage.gate.upstream.servers[0].note_success()
        return hear_by_h11(received, line.method, was_reset=was_reset)


async def _read(visitor: Peer) -> tuple[bytes, bool]:
    try:
        while await visitor.read():
            pass
    except ConnectionResetError:
        return bytes(visitor.received), True
    return bytes(visitor.received), False


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def play(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Play]:
    async def script(peer: Peer) -> None:
        await Requests(peer).next_request()
        for piece in running.line.pieces:
            await peer.send(piece)
            await asyncio.sleep(0)
        if running.line.resets:
            peer.reset()
        await peer.close()

    async with set_stage(tmp_path_factory.mktemp("gate"), script) as stage:
        running = Play(stage, Line("GET", "1.1"))
        yield running


def is_our_502(heard: Heard) -> bool:
    """Tell whether it is the gate's own answer."""
    return heard.status == 502 and heard.is_whole and _type(heard) == b"application/problem+json"


def _type(heard: Heard) -> bytes | None:
    return dict(heard.fields).get(b"content-type")


def is_it(heard: Heard, said: Said, line: Line) -> bool:
    """Tell whether what was heard is what was said, whole."""
    fields = [pair for pair in heard.fields if pair[0] not in ADDED]
    # Visitors of HTTP/1.0 know no trailers, nor those whose answer has no chunks.
    trailers = said.trailers if line.version == "1.1" else ()
    return heard.is_whole and (heard.status, fields, heard.body, heard.trailers) == (
        said.status,
        [pair for pair in said.fields if pair[0] not in ADDED],
        said.body,
        trailers,
    )


def check(heard: Heard, said: Said, line: Line) -> None:
    """Assert that a visitor heard what was said, or that nothing was."""
    if said.status is None:
        assert is_our_502(heard)
    elif said.is_whole is False:
        assert not heard.is_whole
    elif not line.resets:
        assert is_it(heard, said, line)
    else:
        # What had not been read before the RST is lost.
        assert is_it(heard, said, line) or is_our_502(heard) or not heard.is_whole
    if not line.resets:
        assert heard.interim == (said.interim if line.version == "1.1" else [])
    assert not (heard.is_whole and heard.broken)
    # RFC 9110 section 8.6: a 204 has none.
    assert len(heard.framing) <= (0 if heard.status == 204 else 1)


@effort(300)
@given(line=built(line))
async def test_visitor_hears_the_answer_or_a_502_or_nothing_whole(
    play: Play, tally: Tally, line: Line
) -> None:
    said = take_in(b"".join(line.pieces), line.method)

    for _ in range(2):  # The second time, a head that is remembered is not read.
        heard = await play.hear(line)

        passed_on = heard.is_whole and not is_our_502(heard)
        tally.count(forwarded=passed_on, refused=not passed_on)
        check(heard, said, line)
