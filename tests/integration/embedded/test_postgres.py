"""The embedded Postgres as `up` and the tests use it."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from gateway.embedded.errors import EmbeddedError
from gateway.embedded.postgres import EmbeddedPostgres

# Generous, for a loaded machine; on an idle one it is 0.1 to 0.2 s.
_WARM_START_S = 3.0


@pytest.fixture
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One new cluster, made by the first test and copied by the others."""
    return tmp_path_factory.getbasetemp() / "embedded-template"


@asynccontextmanager
async def running(server: EmbeddedPostgres) -> AsyncIterator[str]:
    url = await server.start()
    try:
        yield url
    finally:
        await server.stop()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def _fill(url: str) -> None:
    async with connected(url) as connection:
        await connection.execute("create table kept as select 1 as x")


async def _kept(url: str) -> object:
    async with connected(url) as connection:
        return await connection.fetchval("select x from kept")


async def test_a_durable_server_is_safe_private_and_keeps_its_rows(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", tmp_path / "run")
    async with running(server) as url, connected(url) as connection:
        settings = {
            name: await connection.fetchval("select current_setting($1)", name)
            for name in ("fsync", "listen_addresses", "server_encoding", "data_checksums")
        }
        locale = await connection.fetchval(
            "select datlocale from pg_database where datname = current_database()"
        )
        await _fill(url)
    modes = {oct((tmp_path / name).stat().st_mode & 0o777) for name in ("data", "run")}
    began = time.monotonic()
    async with running(EmbeddedPostgres(tmp_path / "data", tmp_path / "run")) as url:
        took_s = time.monotonic() - began
        kept = await _kept(url)

    assert settings == {
        "fsync": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "data_checksums": "on",
    }
    assert locale == "C.UTF-8"
    assert modes == {"0o700"}
    assert kept == 1
    assert took_s < _WARM_START_S
    assert not (tmp_path / "data.new").exists()


@pytest.mark.parametrize("name", ["with a space, a comma & more", "ü" * 40, 'quo"te'])
async def test_any_folder_name_will_do(tmp_path: Path, template: Path, name: str) -> None:
    folder = tmp_path / name
    server = EmbeddedPostgres(folder / "data", folder / "run", durable=False, template=template)

    async with running(server) as url:
        await _fill(url)
        assert await _kept(url) == 1

    async with running(server) as url:
        assert await _kept(url) == 1


async def test_the_pid_file_of_a_dead_server_does_not_block_the_start(
    tmp_path: Path, template: Path
) -> None:
    server = EmbeddedPostgres(tmp_path / "data", tmp_path / "run", durable=False, template=template)
    async with running(server) as url:
        await _fill(url)
        left = (tmp_path / "data" / "postmaster.pid").read_text()
    # By chance the old pid is now some other program's: ours.
    (tmp_path / "data" / "postmaster.pid").write_text(
        "\n".join([str(os.getppid()), *left.splitlines()[1:]]) + "\n"
    )

    async with running(server) as url:
        assert await _kept(url) == 1


async def test_an_orphan_on_the_data_is_ended_first(tmp_path: Path, template: Path) -> None:
    folder = (tmp_path / "data", tmp_path / "run")
    first = EmbeddedPostgres(*folder, durable=False, template=template)
    second = EmbeddedPostgres(*folder, durable=False, template=template)
    async with running(first) as url:
        await _fill(url)

        async with running(second) as second_url:
            assert await _kept(second_url) == 1
            assert "postgres" in await first.wait_died()


async def test_a_folder_of_another_major_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("12\n")

    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 12, but .* is PostgreSQL"):
        await EmbeddedPostgres(tmp_path, tmp_path / "run").start()

    assert _names(tmp_path) == ["PG_VERSION"]


async def test_a_damaged_folder_is_told_in_one_line(tmp_path: Path, template: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", tmp_path / "run", durable=False, template=template)
    async with running(server):
        pass
    (tmp_path / "data" / "global" / "pg_control").unlink()

    with pytest.raises(EmbeddedError, match=r"cannot start on .*pg_control") as caught:
        await server.start()

    assert "\n" not in str(caught.value)


async def test_a_killed_server_is_reported(tmp_path: Path, template: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", tmp_path / "run", durable=False, template=template)
    async with running(server):
        os.kill(server.pid, 9)

        assert "postgres was killed by SIGKILL" in await server.wait_died()


async def test_many_servers_run_side_by_side(tmp_path: Path, template: Path) -> None:
    async def one(number: int) -> object:
        folder = tmp_path / str(number)
        server = EmbeddedPostgres(folder / "data", folder / "run", durable=False, template=template)
        async with running(server) as url:
            await _fill(url)
            return await _kept(url)

    first = await one(0)
    others = await asyncio.gather(*(one(number) for number in range(1, 4)))

    assert [first, *others] == [1] * 4


async def test_before_the_start_there_is_nothing_to_stop(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", tmp_path / "run")

    await server.stop()

    assert (server.pid, server.last_lines) == (0, ())
    assert await server.wait_died() == "postgres never started"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk, which takes root")
async def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(  # noqa: ASYNC221 - milliseconds, and nothing else runs
        ["/usr/bin/env", "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount")
    try:
        with pytest.raises(EmbeddedError, match="is full; make room"):
            await EmbeddedPostgres(disk / "data", tmp_path / "run").start()
    finally:
        subprocess.run(["/usr/bin/env", "umount", disk], check=True)  # noqa: ASYNC221 - as above
