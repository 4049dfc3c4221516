"""Whatever a visitor sends, an app sees the requests that were decided on and answers each."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given

from tests.support.answers import Requests
from tests.support.deciding import decide
from tests.support.hostile import built, conversation, effort
from tests.support.raw import Peer
from tests.support.readings import UnfinishedError, read_by_h11_as_far, without_ours
from tests.support.stage import Stage, set_stage
from tests.support.tally import Tally

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async def script(peer: Peer) -> None:
        requests = Requests(peer)
        while (await requests.next_request()).is_whole:
            await peer.send(NO_CONTENT + b"\r\n")

    async with set_stage(tmp_path_factory.mktemp("gate"), script) as running:
        yield running


@effort(500)
@given(pieces=built(conversation))
async def test_app_sees_what_was_decided_on_and_nothing_else(
    stage: Stage, tally: Tally, pieces: list[bytes]
) -> None:
    async with stage.visit(pieces) as visitor:
        visitor.end()
        received = await visitor.read_to_end()

    decided = decide([b"".join(pieces)])
    tally.count(forwarded=len(decided.readings), refused=decided.refused is not None)
    expected = decided.for_the_app
    seen = []
    for connection in stage.seen:
        found, trouble = read_by_h11_as_far(without_ours(connection)[0])
        seen += found
        assert trouble is None or isinstance(trouble, UnfinishedError)
    assert received.count(NO_CONTENT) == len(seen)
    assert seen == expected[: len(seen)]
    if len(expected) == len(decided.readings):
        # Where one was refused before its body had come, the connection may have ended there.
        assert len(seen) == len(expected)
