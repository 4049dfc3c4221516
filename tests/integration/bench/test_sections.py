"""What is measured beside the table, small, on the real gateway; nothing says how fast it is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.app import run_app
from bench.check import check_answers, check_gated
from bench.cores import choose_cores
from bench.nginx import find_missing_nginx
from bench.result import Section
from bench.sections.bodies import measure_bodies
from bench.sections.latency import measure_latency
from bench.sections.websockets import measure_websockets
from bench.site import Site, free_port
from bench.stacks.tollway import TOLLWAY, make_token
from bench.wrk import find_wrk

WHY = "wrk is not installed" if find_wrk() is None else find_missing_nginx()

pytestmark = pytest.mark.skipif(WHY is not None, reason=WHY or "")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    key = "k" * 64
    ports = [free_port() for _ in range(3)]
    made = Site(tmp_path, choose_cores(), make_token(key), key, *ports)
    async with run_app(made):
        yield made


def medians(section: Section) -> dict[str, float]:
    return {figure.what: figure.value.median for figure in section.figures}


async def test_the_gateway_runs_again_where_it_ran_before(site: Site) -> None:
    for _ in range(2):
        async with TOLLWAY.run(site) as where:
            await check_answers(site, TOLLWAY, where)
            await check_gated(site, where)


async def test_bodies_arrive_whole_in_both_directions(site: Site) -> None:
    section = await measure_bodies(site, rounds=1, size_bytes=5_000_000)

    found = medians(section)
    assert found["download, Tollway"] > 0
    assert found["upload, Tollway"] > 0
    assert found["download, Tollway through nginx"] > 0


async def test_websockets_open_and_echo(site: Site) -> None:
    section = await measure_websockets(site, count=20)

    assert list(medians(section)) == ["memory of one"]
    assert section.missing is None


async def test_latency_is_told_of_us_and_of_a_peer(site: Site) -> None:
    section = await measure_latency(site, rounds=1, round_s=0.3)

    assert {"Tollway, p50", "Tollway, p99", "nginx + auth_request, p50"} <= set(medians(section))
