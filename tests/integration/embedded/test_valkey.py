"""The embedded Valkey as `up` and the tests use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio as redis

from gateway.embedded.errors import EmbeddedError
from gateway.embedded.valkey import EmbeddedValkey


@asynccontextmanager
async def connected(server: EmbeddedValkey) -> AsyncIterator["redis.Redis"]:
    client = redis.Redis.from_url(await server.start())
    try:
        yield client
    finally:
        await client.aclose()
        await server.stop()


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_it_keeps_its_values_on_a_private_socket_alone(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "data", tmp_path / "run")
    async with connected(server) as client:
        settings = await client.config_get("port", "maxmemory", "maxmemory-policy", "appendonly")
        await client.set("kept", "1")
    mode = (tmp_path / "run").stat().st_mode & 0o777

    async with connected(server) as client:
        kept = await client.get("kept")

    assert settings == {
        "port": "0",
        "maxmemory": str(64 * 1024 * 1024),
        "maxmemory-policy": "allkeys-lru",
        "appendonly": "yes",
    }
    assert mode == 0o700
    assert kept == b"1"


@pytest.mark.parametrize("name", ["with a space, a comma & more", "ü" * 40, "quo\"te's"])
async def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    server = EmbeddedValkey(tmp_path / name / "data", tmp_path / name / "run")
    async with connected(server) as client:
        await client.set("kept", "1")

    async with connected(server) as client:
        assert await client.get("kept") == b"1"


async def test_a_fleeting_one_writes_nothing(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "data", tmp_path / "run", durable=False)
    async with connected(server) as client:
        await client.set("kept", "1")

    assert _names(tmp_path / "data") == []


async def test_an_orphan_on_the_data_is_ended_first(tmp_path: Path) -> None:
    first = EmbeddedValkey(tmp_path / "data", tmp_path / "run")
    second = EmbeddedValkey(tmp_path / "data", tmp_path / "run")
    async with connected(first) as client:
        await client.set("kept", "1")

        async with connected(second) as again:
            assert await again.get("kept") == b"1"
            assert "valkey" in await first.wait_died()


async def test_a_damaged_log_is_told_with_what_to_do(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "data", tmp_path / "run")
    async with connected(server) as client:
        await client.set("kept", "1")
    for log in (tmp_path / "data" / "appendonlydir").glob("*.incr.aof"):
        log.write_bytes(b"rubbish " * 100)

    with pytest.raises(EmbeddedError, match="move that folder away"):
        await server.start()


async def test_before_the_start_there_is_nothing_to_stop(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "data", tmp_path / "run")

    await server.stop()

    assert (server.pid, server.last_lines) == (0, ())
    assert await server.wait_died() == "valkey never started"
