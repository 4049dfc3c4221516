"""`tollway clients`, `audit` and `keys` as operators run them: processes on a real database."""

import asyncio
import json
import re
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from billing.storage.pool import Database
from gateway.embedded.owner import DataDir
from gateway.embedded.postgres import EmbeddedPostgres
from tests.support.product import ROOT
from tests.support.serving import LIMIT_S, environment_of, write_config

# RFC 3339, as the API writes it.
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run_folder() -> Iterator[Path]:
    """Return a folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        yield Path(folder) / "data"


Tollway = Callable[..., Awaitable[Said]]


async def _run(environment: dict[str, str], *words: str) -> Said:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "gateway", *words),
        env=environment,
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


@pytest.fixture
def tollway(database: Database, database_url: str, tmp_path: Path) -> Tollway:
    """Return how to run a command on the migrated database."""
    file = write_config(tmp_path / "config.yaml", "http://127.0.0.1:9")
    environment = environment_of(database_url, tmp_path)

    async def run(*words: str) -> Said:
        return await _run(environment, *words, "-c", str(file))

    return run


async def test_a_client_is_added_shown_and_erased(tollway: Tollway) -> None:
    added = await tollway("clients", "add", "idp:ann", "--email", "ann@example.com", "--json")
    shown = await tollway("clients", "show", "Ann@Example.com", "--json")
    erased = await tollway("clients", "erase", "idp:ann", "--yes")
    listed = await tollway("clients", "list", "--json")

    assert shown.json["client"] == added.json
    assert [row["action"] for row in shown.json["audit"]] == ["client.created"]
    assert erased.code == 0
    assert "ann" not in listed.out
    assert len(listed.json["clients"]) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("clients", "show", "idp:nobody"), "there is no such client"),
        (("clients", "add", "idp:ann", "--app", "note"), "no app has the id 'note'"),
        (("clients", "list", "--app", "note"), "no app has the id 'note'"),
        (("clients", "list", "--after", "idp:nobody"), "there is no such client"),
        (("clients", "add", "idp:ann", "--email", "ann"), "an e-mail address is written"),
        (("audit", "list", "--client", "idp:nobody"), "there is no such client"),
        (("audit", "verify", "--from-head", "pyproject.toml"), "is not what `audit head` printed"),
    ],
)
async def test_what_cannot_be_done_is_told_in_one_line(
    tollway: Tollway, words: tuple[str, ...], told: str
) -> None:
    said = await tollway(*words)

    assert said.code == 1
    assert told in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["[/x]", "[red]ann[/red]", "[link=https://evil.example]a", ":bomb:"]
)
async def test_a_client_whose_name_looks_like_markup_is_listed_as_it_is_called(
    tollway: Tollway, name: str
) -> None:
    await tollway("clients", "add", name, "--name", name)

    listed = await tollway("clients", "list")
    shown = await tollway("clients", "show", name)

    assert (listed.code, shown.code) == (0, 0)
    assert listed.out.count(name) == 2
    assert shown.out.count(name) == 2


async def test_instants_are_told_with_their_zone(tollway: Tollway) -> None:
    added = await tollway("clients", "add", "idp:ann", "--json")

    shown = await tollway("clients", "show", "idp:ann", "--json")
    read = await tollway("clients", "show", "idp:ann")
    listed = await tollway("clients", "list", "--json")
    audit = await tollway("audit", "list", "--json")

    instants = (
        added.json["created_at"],
        shown.json["audit"][0]["at"],
        listed.json["clients"][0]["created_at"],
        audit.json[0]["at"],
    )
    assert [INSTANT.fullmatch(instant) is not None for instant in instants] == [True] * 4
    assert re.search(r"created_at +[0-9-]{10} [0-9:]{8} UTC\n", read.out)


async def test_nothing_is_erased_without_being_asked(tollway: Tollway) -> None:
    await tollway("clients", "add", "idp:ann")

    said = await tollway("clients", "erase", "idp:ann")

    assert said.code == 1
    assert "for ever?" in said.err
    assert (await tollway("clients", "show", "idp:ann")).code == 0


async def test_a_client_who_would_pay_on_is_not_erased(
    tollway: Tollway, database: Database
) -> None:
    added = await tollway("clients", "add", "idp:ann")
    async with database.connection() as connection:
        await connection.execute(
            "insert into subscriptions (client_id, psp, livemode, psp_sub_id, raw_status, status,"
            " started_at, observed_seq, observed_at, as_of, source) values ($1::text::uuid,"
            " 'stripe', false, 'sub_1', 'active', 'active', now(), 1, now(), now(), 'webhook')",
            added.out.strip(),
        )

    said = await tollway("clients", "erase", "idp:ann", "--yes")

    assert said.code == 1
    assert "live subscription" in said.err
    assert (await tollway("clients", "show", "idp:ann")).code == 0


async def test_tampering_is_told_with_its_place_and_ends_with_1(
    tollway: Tollway, database_url: str, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        await tollway("clients", "add", name)
    heads = tmp_path / "heads.json"
    heads.write_text((await tollway("audit", "head")).out)
    whole = await tollway("audit", "verify", "--from-head", str(heads))
    connection = await asyncpg.connect(database_url)
    await connection.execute("set session_replication_role = replica")
    row = await connection.fetchrow(
        "update audit set actor = 'x' where seq = 2 returning chain, position"
    )
    await connection.close()

    tampered = await tollway("audit", "verify", "--from-head", str(heads))

    assert row is not None
    assert whole == Said(0, "2 rows are whole\n", "")
    assert tampered.code == 1
    assert f"chain {row['chain']}, position {row['position']}, seq 2: the row" in tampered.out
    assert "2 rows, 1 fault\n" in tampered.out


async def test_keys_are_counted_and_made(tollway: Tollway) -> None:
    await tollway("clients", "add", "idp:ann", "--name", "Ann")

    said = await tollway("keys", "status", "--json")

    assert said.json["seals"] == "test"
    assert said.json["rows"]["clients.name_enc"] == {"test": 1}
    assert said.json["rows"]["audit"] == {"test": 1}
    assert (await tollway("keys", "rotate", "--json")).json["sealed"] == 0


async def test_a_database_that_lacks_migrations_is_left_alone(
    bare_database_url: str, tmp_path: Path
) -> None:
    file = write_config(tmp_path / "config.yaml", "http://127.0.0.1:9")
    environment = environment_of(bare_database_url, tmp_path)

    said = await _run(environment, "clients", "list", "-c", str(file))

    assert said.code == 1
    assert "run `tollway migrate -c" in said.err


async def test_a_folder_that_is_no_data_folder_is_left_alone(tmp_path: Path) -> None:
    said = await _run(environment_of("", tmp_path), "clients", "list", "--data", str(tmp_path))

    assert said.code == 1
    assert "is no data folder of `tollway up`" in said.err
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - nothing else runs


async def test_the_data_of_a_demonstration_is_reached_whether_its_server_runs_or_not(
    run_folder: Path,
) -> None:
    words = ("--data", str(run_folder))
    environment = environment_of("", run_folder)
    with DataDir(run_folder) as folder:
        postgres = EmbeddedPostgres(folder.postgres, folder.run)
        await postgres.start()
        try:
            added = await _run(environment, "clients", "add", "idp:ann", *words)
        finally:
            await postgres.stop()

    listed = await _run(environment, "clients", "list", "--json", *words)

    assert (added.code, added.err) == (0, "")
    assert [client["id"] for client in listed.json["clients"]] == [added.out.strip()]
    assert (await _run(environment, "audit", "verify", *words)).out == "1 row is whole\n"
