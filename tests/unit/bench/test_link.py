"""The network that can be disturbed, between real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.trouble.link import Link, Way, open_link

_SOON_S = 5.0
# Long enough for what must not come to have come.
_A_WHILE_S = 0.1

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[Link]:
    path = tmp_path / "echo"
    server = await asyncio.start_unix_server(_echo, path)
    async with open_link(path) as opened:
        yield opened
    server.close()


@asynccontextmanager
async def calling(link: Link) -> AsyncIterator[Ends]:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    yield reader, writer
    writer.transport.abort()


async def say(ends: Ends, line: bytes) -> None:
    ends[1].write(line)
    await ends[1].drain()


async def hear(ends: Ends, limit_s: float = _SOON_S) -> bytes:
    async with asyncio.timeout(limit_s):
        return await ends[0].readline()


async def is_ended(ends: Ends) -> bool:
    try:
        return await hear(ends) == b""
    except ConnectionError:
        return True


async def test_what_is_said_gets_there_and_back(link: Link) -> None:
    async with calling(link) as ends:
        await say(ends, b"hello\n")

        assert await hear(ends) == b"hello\n"
        assert link.connections == 1


async def test_a_cut_ends_what_is_open_and_what_comes(link: Link) -> None:
    async with calling(link) as before:
        await say(before, b"hello\n")
        await hear(before)

        await link.cut()

        assert await is_ended(before)
        async with calling(link) as after:
            assert await is_ended(after)
        assert link.connections == 0


@pytest.mark.parametrize("way", list(Way))
async def test_in_silence_nothing_comes_and_nothing_ends_and_then_it_comes(
    link: Link, way: Way
) -> None:
    async with calling(link) as ends:
        link.silence(way)
        await say(ends, b"hello\n")
        with pytest.raises(TimeoutError):
            await hear(ends, _A_WHILE_S)

        link.mend()

        assert await hear(ends) == b"hello\n"


async def test_what_was_lost_can_be_opened_again(link: Link) -> None:
    async with calling(link) as before:
        await say(before, b"hello\n")
        await hear(before)

        await link.lose()

        assert await is_ended(before)
        async with calling(link) as after:
            await say(after, b"again\n")
            assert await hear(after) == b"again\n"


async def test_a_slow_link_holds_every_piece_back(link: Link) -> None:
    loop = asyncio.get_running_loop()
    async with calling(link) as ends:
        link.slow(_A_WHILE_S)
        began_s = loop.time()
        await say(ends, b"hello\n")

        assert await hear(ends) == b"hello\n"
        assert loop.time() - began_s >= 2 * _A_WHILE_S


async def test_a_server_that_is_not_there_is_a_connection_that_ends(tmp_path: Path) -> None:
    async with open_link(tmp_path / "nobody") as opened, calling(opened) as ends:
        assert await is_ended(ends)
