"""The networks between a process and its servers are cut, silent, slow: answers stay right."""

from pathlib import Path

import pytest

from tests.support.outage_story import a_world, live_through
from tests.support.troubles import NETWORKS, NOTICES, Trouble, Troubles

LIMIT_S = 300


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("troubles_of", [NETWORKS, NOTICES], ids=["networks", "notices"])
async def test_answers_stay_right_while_a_network_fails(
    tmp_path: Path, run: Path, troubles_of: tuple[Trouble, ...], subtests: pytest.Subtests
) -> None:
    async with a_world(tmp_path, run) as world:
        for number, trouble in enumerate(troubles_of):
            with subtests.test(str(trouble)):
                await live_through(Troubles(world), trouble, number)
