"""Postgres and Valkey die, hang, lose what they had: what each process says stays right."""

from pathlib import Path

import pytest

from tests.support.outage_story import a_world, admit_all, change_all, live_through
from tests.support.own_servers import OwnServers
from tests.support.troubled import open_world
from tests.support.troubles import POSTGRES, VALKEY, Trouble, Troubles
from tests.support.valkeys import replicated, until

LIMIT_S = 300


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("troubles_of", [POSTGRES, VALKEY], ids=["postgres", "valkey"])
async def test_answers_stay_right_while_a_server_fails(
    tmp_path: Path, run: Path, troubles_of: tuple[Trouble, ...], subtests: pytest.Subtests
) -> None:
    async with a_world(tmp_path, run) as world:
        for number, trouble in enumerate(troubles_of):
            with subtests.test(str(trouble)):
                await live_through(Troubles(world), trouble, number)


@pytest.mark.timeout(LIMIT_S)
async def test_both_servers_fail_at_once_and_come_back_one_by_one(
    tmp_path: Path, run: Path
) -> None:
    async with a_world(tmp_path, run) as world:
        troubles, first = Troubles(world), world.processes[0]
        await admit_all(world, 0)
        await troubles.kill_valkey(first)
        for trouble in POSTGRES[:1]:
            await troubles.begin(trouble, first)
        await world.check_all()
        world.move(61)
        await world.check_all()
        await troubles.restart_valkey(first)
        await world.check_all()

        await troubles.mend()

        await change_all(world, 0)
        await world.check_all()


@pytest.mark.timeout(LIMIT_S)
async def test_answers_stay_right_while_sentinels_promote_a_copy(tmp_path: Path, run: Path) -> None:
    async with replicated(tmp_path / "valkeys") as (master, replica, url):
        servers = await OwnServers.start(tmp_path, run)
        try:
            async with open_world(servers, tmp_path, run, redis_url=url) as world:
                await admit_all(world, 0)
                master.kill()
                await world.check_all()
                await change_all(world, 0)

                async def is_promoted() -> bool:
                    await world.check_all()
                    state = await replica.redis.info("replication")
                    return bool(state["role"] == "master")

                await until(is_promoted)
                world.move(61)
                await world.check_all()
                await world.settle()
                await world.pay("never-0", 86_400)

                async def is_shared_again() -> bool:
                    world.move(61)
                    await world.check_all()
                    found = await world.processes[0].stores.shared.find(world.ids["never-0"])
                    return found is not None and found.snapshot.version == 1

                await until(is_shared_again)
        finally:
            await servers.stop()
