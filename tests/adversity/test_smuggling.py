"""The smuggling corpus, over real sockets: rejected, or forwarded in one canonical form."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.support.answers import Answer, Answers, Requests
from tests.support.corpus import Case, load_corpus
from tests.support.deciding import decide
from tests.support.raw import Peer
from tests.support.readings import UnreadableError, read_by_aiohttp, read_by_h11, without_ours
from tests.support.stage import Stage, set_stage

CORPUS = load_corpus()
FORWARDED = [case for case in CORPUS if case.forward]
pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
# Sent behind every case: it must arrive as a request of its own, or not at all.
SENTINEL = b"GET /public/sentinel HTTP/1.1\r\nHost: notes.localhost\r\n\r\n"
SENTINEL_STATUS = 299
SENTINEL_ANSWER = b"HTTP/1.1 299 Sentinel\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Play:
    """A stage, and what its app says to the next request; empty is the usual."""

    stage: Stage
    answer: bytes = b""

    async def perform(self, case: Case) -> tuple[list[Answer], str]:
        """Send a case and the sentinel behind it; return the answers, and what was none."""
        self.answer = case.app
        async with self.stage.visit([case.send + SENTINEL]) as visitor:
            return await _hear(Answers(visitor), case)


async def _hear(answers: Answers, case: Case) -> tuple[list[Answer], str]:
    """Return all answers up to the sentinel's, and what came before the end that was none."""
    heard: list[Answer] = []
    method = "HEAD" if case.send.startswith(b"HEAD ") and not case.reject else "GET"
    try:
        while not heard or heard[-1].status != SENTINEL_STATUS:
            heard.append(await answers.next("GET" if heard else method))
    except EOFError as end:
        return heard, str(end).removeprefix("ended after b''")
    return heard, ""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def play(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Play]:
    async def script(peer: Peer) -> None:
        requests = Requests(peer)
        while (asked := await requests.next_request()).is_whole:
            usual = SENTINEL_ANSWER if asked.target == "/public/sentinel" else NO_CONTENT
            answer, running.answer = running.answer or usual, b""
            await peer.send(answer)

    async with set_stage(tmp_path_factory.mktemp("gate"), script) as stage:
        running = Play(stage)
        yield running


@pytest.mark.parametrize("case", CORPUS, ids=str)
async def test_is_rejected_or_forwarded_in_one_form(play: Play, case: Case) -> None:
    answers, surplus = await play.perform(case)

    seen, times = without_ours(b"".join(play.stage.seen))
    forwarded = len(read_by_h11(case.forward))
    expected = [case.refuse] if case.refuse else []
    expected += [case.answered] * forwarded
    if case.reject:
        expected.append(case.reject)
        last = answers[-1]
        assert (last.is_problem, last.is_last, last.is_whole) == (True, True, True)
    elif not case.closes:
        expected.append(SENTINEL_STATUS)
        forwarded += 1
    assert ([answer.status for answer in answers], surplus) == (expected, "")
    if case.cut:
        assert case.cut.startswith(seen)
        with pytest.raises(UnreadableError):
            read_by_h11(case.cut)
    else:
        assert seen == case.forward + (SENTINEL if expected[-1] == SENTINEL_STATUS else b"")
        assert times == forwarded


@pytest.mark.parametrize("case", FORWARDED, ids=str)
async def test_forwarded_is_read_alike_by_other_parsers(play: Play, case: Case) -> None:
    await play.perform(case)

    seen = [without_ours(connection)[0] for connection in play.stage.seen]
    decided = decide([case.send + SENTINEL]).for_the_app
    loop = asyncio.get_running_loop()
    assert [reading for connection in seen for reading in read_by_h11(connection)] == decided
    assert [reading for connection in seen for reading in read_by_aiohttp(connection, loop)] == [
        reading.without_trailers for reading in decided
    ]
