"""Keys in Postgres: made once, changed with an overlap, and erased when nobody needs them."""

import asyncio

import jwt
import pytest

from billing.crypto.keyring import KeyRing
from billing.errors import InvalidTokenError, UnavailableError
from billing.model import Cause, Source
from billing.storage.pool import Database
from billing.storage.sealed_columns import COLUMNS, reseal
from billing.storage.signing_keys import StoredKey, add_signing_key, list_signing_keys
from tests.support.access import Access
from tests.support.keys import DATA_KEY, OTHER_KEY

OTHERS = KeyRing.of([OTHER_KEY])
OPERATOR = Cause(Source.ADMIN, "operator:ann")


async def kids(access: Access) -> list[str]:
    return [key["kid"] for key in (await access.keys.jwks())["keys"]]


async def stored(access: Access) -> list[StoredKey]:
    async with access.database.connection() as connection:
        return list(await list_signing_keys(connection))


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_processes_that_start_together_make_one_key(access: Access) -> None:
    processes = [access, *(access.other() for _ in range(4))]

    signers = await asyncio.gather(*(each.keys.get_signer() for each in processes))

    assert len({signer.kid for signer in signers}) == 1
    assert len(await stored(access)) == 1


async def test_a_new_key_is_published_first_and_signs_after_the_delay(access: Access) -> None:
    program = await access.add()
    old = kid_of(await access.token(program))

    new = await access.keys.rotate(access.clock.now, OPERATOR)

    assert set(await kids(access)) == {old, new}
    assert kid_of(await access.token(program)) == old
    access.move(seconds=599)
    assert kid_of(await access.token(program)) == old
    access.move(seconds=1)
    assert kid_of(await access.token(program)) == new


async def test_another_process_follows_without_being_told(access: Access) -> None:
    other = access.other()
    program = await access.add()
    old = kid_of(await other.token(program))

    new = await access.keys.rotate(access.clock.now, OPERATOR)

    access.move(minutes=10)
    assert kid_of(await other.token(program)) == new != old


async def test_tokens_of_the_old_key_live_to_their_end_and_no_longer(access: Access) -> None:
    program = await access.add()
    token = await access.token(program)
    old = kid_of(token)
    await access.keys.rotate(access.clock.now, OPERATOR)

    access.move(minutes=14)

    assert (await access.reader.identify(token)).app_id == "notes"
    access.move(minutes=10, days=1, seconds=30)
    assert old not in await kids(access)
    with pytest.raises(InvalidTokenError):
        await access.reader.identify(token)


async def test_a_key_is_changed_when_it_is_old_once_by_all_together(access: Access) -> None:
    first = (await access.keys.get_signer()).kid
    processes = [access.other() for _ in range(4)]
    access.move(days=89)
    before = [await each.keys.rotate_if_due(access.clock.now) for each in processes]
    access.move(days=1)

    made = await asyncio.gather(*(each.keys.rotate_if_due(access.clock.now) for each in processes))

    assert before == [None] * 4
    new = [kid for kid in made if kid is not None]
    assert len(new) == 1
    assert [key.kid for key in await stored(access)] == [first, *new]


async def test_the_private_part_of_a_key_that_is_gone_is_erased(access: Access) -> None:
    await access.keys.get_signer()
    await access.keys.rotate(access.clock.now, OPERATOR)
    access.move(minutes=10, days=1)
    await access.keys.rotate_if_due(access.clock.now)
    kept = [key.private_sealed is not None for key in await stored(access)]
    access.move(seconds=30)

    await access.keys.rotate_if_due(access.clock.now)

    assert kept == [True, True]
    assert [key.private_sealed is not None for key in await stored(access)] == [False, True]


async def test_a_key_that_somebody_planted_is_not_taken(access: Access) -> None:
    signer = await access.keys.get_signer()
    foreign = OTHERS.seal(b"key", "signing_keys.private_sealed.planted")
    [ours] = await stored(access)
    assert ours.private_sealed is not None
    async with access.database.transaction() as connection:
        for kid, sealed in (("planted", foreign), ("moved", ours.private_sealed)):
            early = StoredKey(kid, sealed, ours.created_at, ours.signs_from_at.replace(year=2020))
            await add_signing_key(connection, early)
    access.move(minutes=1)

    assert await kids(access) == [signer.kid]
    assert await access.keys.find_public("planted") is None
    assert await access.keys.find_public("moved") is None


async def test_who_cannot_open_the_keys_neither_signs_nor_makes_others(access: Access) -> None:
    await access.keys.get_signer()
    stranger = access.other(OTHERS)

    with pytest.raises(UnavailableError):
        await stranger.keys.get_signer()

    assert len(await stored(access)) == 1


async def test_an_operator_who_lost_the_sealing_key_begins_anew_at_once(access: Access) -> None:
    await access.keys.get_signer()
    stranger = access.other(OTHERS)
    access.move(minutes=1)

    new = await stranger.keys.rotate(access.clock.now, OPERATOR)

    assert (await stranger.keys.get_signer()).kid == new


async def test_kids_that_nobody_knows_cost_one_look_a_second(access: Access) -> None:
    await access.keys.get_signer()
    reads = access.keys._known.read_s

    for number in range(50):
        assert await access.keys.find_public(f"made-up-{number}") is None

    assert access.keys._known.read_s == reads
    access.move(seconds=2)
    assert await access.keys.find_public("made-up") is None
    assert access.keys._known.read_s > reads


async def test_every_new_key_is_in_the_audit_log(access: Access) -> None:
    await access.keys.get_signer()
    new = await access.keys.rotate(access.clock.now, OPERATOR)

    async with access.database.connection() as connection:
        rows = await connection.fetch(
            "select actor, after->>'kid' as kid from audit where action = 'signing_key.added'"
            " order by seq"
        )
    assert [row["actor"] for row in rows] == ["system", "operator:ann"]
    assert rows[1]["kid"] == new


async def test_keys_go_on_signing_when_what_seals_them_is_changed(
    access: Access, database_url: str
) -> None:
    signer = await access.keys.get_signer()
    [column] = [each for each in COLUMNS if each.table == "signing_keys"]
    both = await Database.open(database_url, size=2, ring=KeyRing.of([OTHER_KEY, DATA_KEY]))

    async with both.transaction() as connection:
        batch = await reseal(connection, column, None, 10)
    await both.close()

    assert (batch.sealed, batch.failed) == (1, 0)
    assert (await access.other(OTHERS).keys.get_signer()).kid == signer.kid
