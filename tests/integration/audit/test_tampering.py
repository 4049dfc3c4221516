"""Whoever changes, removes, inserts or moves a row of the audit is found, and where."""

import random

import pytest

from billing.audit.chain import Head
from billing.audit.verifier import Wrong
from billing.audit.verify import Verdict, read_heads, verify
from billing.crypto.keyring import KeyRing
from billing.storage.pool import Connection, Database
from tests.integration.audit.conftest import write_rows
from tests.support.keys import OTHER_KEY

_ROWS = 5
_CHAIN = 3


def places(verdict: Verdict) -> list[tuple[Wrong, int | None, int | None]]:
    return [(fault.wrong, fault.chain, fault.position) for fault in verdict.faults]


@pytest.fixture
async def written(database: Database) -> Database:
    for chain in (0, _CHAIN, 16):
        await write_rows(database, chain, _ROWS)
    return database


async def test_an_untouched_audit_is_whole(written: Database) -> None:
    verdict = await verify(written, {})

    assert verdict == Verdict(rows=3 * _ROWS, faults=())


_FIELDS = {
    "actor": "'other'",
    "action": "'grant.taken'",
    "at": "at + interval '1 microsecond'",
    "before": "'{\"number\": 9}'",
    "after": "null",
    "client_id": "gen_random_uuid()",
    "cause_inbox_id": "1",
    "cause_request_id": "null",
    "seq": "seq + 1000",
    "prev_hash": "sha256('x')",
    "hash": "sha256('x')",
}


@pytest.mark.parametrize("column", _FIELDS)
@pytest.mark.parametrize("position", [1, 3, _ROWS])
async def test_a_changed_field_is_found_at_its_row(
    written: Database, tamperer: Connection, column: str, position: int
) -> None:
    if column == "seq":
        await tamperer.execute("alter table audit alter column seq drop identity")
    await tamperer.execute(
        f"update audit set {column} = {_FIELDS[column]} where chain = $1 and position = $2",
        _CHAIN,
        position,
    )

    assert places(await verify(written, {})) == [(Wrong.CHANGED, _CHAIN, position)]


@pytest.mark.parametrize("position", [1, 3, _ROWS])
async def test_a_removed_row_is_found(
    written: Database, tamperer: Connection, position: int
) -> None:
    await tamperer.execute("delete from audit where chain = $1 and position = $2", _CHAIN, position)

    assert places(await verify(written, {})) == [(Wrong.MISSING, _CHAIN, position)]


async def test_a_removed_row_behind_which_all_move_up_is_found(
    written: Database, tamperer: Connection
) -> None:
    await tamperer.execute("delete from audit where chain = $1 and position = 2", _CHAIN)
    for position in range(3, _ROWS + 1):
        await tamperer.execute(
            "update audit set position = position - 1 where chain = $1 and position = $2",
            _CHAIN,
            position,
        )

    assert (Wrong.CHANGED, _CHAIN, 2) in places(await verify(written, {}))


async def test_two_rows_that_changed_places_are_both_found(
    written: Database, tamperer: Connection
) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        await tamperer.execute(
            "update audit set position = $3 where chain = $1 and position = $2", _CHAIN, old, new
        )

    found = places(await verify(written, {}))

    assert found == [(Wrong.CHANGED, _CHAIN, 2), (Wrong.CHANGED, _CHAIN, 3)]


_COPY = (
    "insert into audit (seq, at, actor, action, chain, position, key_id, prev_hash, hash)"
    " overriding system value"
    " select 9999, at, 'other', action, $2, $3, key_id, hash, sha256('x') from audit"
    " where chain = $1 and position = 5"
)


async def test_an_inserted_row_is_found_behind_the_head(
    written: Database, tamperer: Connection
) -> None:
    await tamperer.execute(_COPY, _CHAIN, _CHAIN, _ROWS + 1)

    found = places(await verify(written, {}))

    assert found == [(Wrong.CHANGED, _CHAIN, _ROWS + 1), (Wrong.EXTRA, _CHAIN, _ROWS + 1)]


async def test_a_row_outside_of_all_chains_is_found(
    written: Database, tamperer: Connection
) -> None:
    await tamperer.execute("alter table audit drop constraint audit_is_chained")
    await tamperer.execute(_COPY, _CHAIN, 99, 1)
    await tamperer.execute(_COPY.replace("9999", "9998"), _CHAIN, None, None)

    verdict = await verify(written, {})

    assert [(fault.wrong, fault.seq) for fault in verdict.faults] == [
        (Wrong.EXTRA, 9999),
        (Wrong.EPOCH, None),
    ]


async def test_a_changed_head_is_found(written: Database, tamperer: Connection) -> None:
    await tamperer.execute("update audit_heads set hash = sha256('x') where chain = $1", _CHAIN)
    await tamperer.execute("delete from audit_heads where chain = 16")

    found = places(await verify(written, {}))

    assert found == [(Wrong.HEAD, _CHAIN, _ROWS), (Wrong.HEAD, 16, _ROWS)]


async def test_a_tail_removed_together_with_its_head_is_found_by_a_head_kept_elsewhere(
    written: Database, tamperer: Connection
) -> None:
    kept = {head.chain: head for head in await read_heads(written)}
    await tamperer.execute("delete from audit where chain = $1 and position > 3", _CHAIN)
    await tamperer.execute(
        "update audit_heads h set position = 3, hash = a.hash from audit a"
        " where h.chain = $1 and a.chain = $1 and a.position = 3",
        _CHAIN,
    )

    assert (await verify(written, {})).faults == ()
    assert places(await verify(written, kept)) == [(Wrong.FORGOTTEN, _CHAIN, 3)]


async def test_heads_kept_elsewhere_hold_when_rows_were_added(written: Database) -> None:
    kept = {head.chain: head for head in await read_heads(written)}
    await write_rows(written, _CHAIN, 2)

    assert (await verify(written, kept)).faults == ()


async def test_a_chain_that_was_written_anew_is_found_by_a_head_kept_elsewhere(
    written: Database,
) -> None:
    kept = {_CHAIN: Head(_CHAIN, 2, b"x" * 32)}

    assert places(await verify(written, kept)) == [(Wrong.FORGOTTEN, _CHAIN, 2)]


async def test_a_ring_of_other_keys_cannot_check_and_says_so(
    written: Database, database_url: str
) -> None:
    other = await Database.open(database_url, size=2, ring=KeyRing.of([OTHER_KEY]))
    try:
        verdict = await verify(other, {})
    finally:
        await other.close()

    assert {fault.wrong for fault in verdict.faults} == {Wrong.UNKNOWN_KEY}
    assert len(verdict.faults) == 3 * _ROWS


def _any_change(chance: random.Random) -> tuple[str, Wrong]:
    """Return a statement that tampers with one row, and what it has to be found as."""
    kind = chance.choice(["delete", "byte", "text", *_FIELDS.keys() - {"seq"}])
    match kind:
        case "delete":
            return "delete from audit", Wrong.MISSING
        case "byte":
            column, at, bit = chance.choice(["hash", "prev_hash"]), chance.randrange(32), 1 << 3
            changed = f"set_byte({column}, {at}, get_byte({column}, {at}) # {bit})"
            return f"update audit set {column} = {changed}", Wrong.CHANGED
        case "text":
            column = chance.choice(["actor", "action", "key_id"])
            wrong = Wrong.UNKNOWN_KEY if column == "key_id" else Wrong.CHANGED
            return f"update audit set {column} = {column} || ' '", wrong
    return f"update audit set {kind} = {_FIELDS[kind]}", Wrong.CHANGED


@pytest.mark.parametrize("seed", range(3))
async def test_any_tampering_with_one_row_is_found_there_and_nowhere_else(
    written: Database, tamperer: Connection, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret comes of it
    await tamperer.execute("create temp table kept as select * from audit")
    for _ in range(25):
        chain, position = chance.choice([0, _CHAIN, 16]), chance.randint(1, _ROWS)
        statement, wrong = _any_change(chance)
        await tamperer.execute(f"{statement} where chain = $1 and position = $2", chain, position)

        assert places(await verify(written, {})) == [(wrong, chain, position)], statement

        await tamperer.execute("delete from audit")
        await tamperer.execute("insert into audit overriding system value select * from kept")
    assert (await verify(written, {})).faults == ()
