"""The benchmark itself, small: it measures, it notices lies, and it leaves nothing behind.

Nothing here says how fast anything is.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.app import run_app
from bench.check import check_answers, check_gated
from bench.cores import choose_cores
from bench.errors import BenchError
from bench.nginx import find_missing_nginx
from bench.result import Result
from bench.site import Site, free_port
from bench.stacks.handler import HANDLER
from bench.stacks.tollway import make_token
from bench.wrk import find_wrk
from tests.support.product import ROOT

LIMIT_S = 90.0
WHY = "wrk is not installed" if find_wrk() is None else find_missing_nginx()

pytestmark = pytest.mark.skipif(WHY is not None, reason=WHY or "")


async def start(folder: Path, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "gateway", "bench", "proxy", *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        stdout=PIPE,
        stderr=STDOUT,
    )


def left_behind(folder: Path) -> list[str]:
    """Return the command lines of processes that work in the folder, and what lies in it."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # It ended while we looked.
            if str(folder) in line:
                lines.append(line)
    return lines + [str(path) for path in folder.iterdir()]


async def test_measures_us_beside_a_plain_handler_and_leaves_nothing(tmp_path: Path) -> None:
    work, file = tmp_path / "work", tmp_path / "result.json"
    work.mkdir()
    arguments = ["--only", "requests", "--stack", "tollway", "--stack", "aiohttp"]
    arguments += ["--rounds", "1", "--seconds", "1", "--json", str(file)]

    process = await start(work, *arguments)
    async with asyncio.timeout(LIMIT_S):
        output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()
    requests = Result.model_validate_json(file.read_text()).requests
    assert requests is not None
    assert [stack.name for stack in requests.stacks] == ["tollway", "aiohttp"]
    assert all(stack.samples[0].requests > 0 for stack in requests.stacks)
    assert [ratio.against for ratio in requests.ratios] == ["aiohttp"]
    assert b"plain aiohttp handler" in output
    assert left_behind(work) == []


async def test_a_signal_stops_everything(tmp_path: Path) -> None:
    process = await start(tmp_path, "--only", "requests", "--stack", "aiohttp", "--rounds", "999")
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        while b"round 1" not in await process.stdout.readline():
            assert not process.stdout.at_eof()
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()

    assert process.returncode == 130
    assert output.endswith(b"bench: stopped\n")
    assert left_behind(tmp_path) == []


async def test_an_unknown_stack_is_one_line(tmp_path: Path) -> None:
    process = await start(tmp_path, "--stack", "apache")
    output, _ = await process.communicate()

    assert process.returncode == 2
    assert output.startswith(b"bench: no stack is named apache; there are tollway, ")
    assert output.count(b"\n") == 1


@asynccontextmanager
async def site_of(folder: Path) -> AsyncIterator[Site]:
    key = "k" * 64
    ports = [free_port() for _ in range(3)]
    site = Site(folder, choose_cores(), make_token(key), key, *ports)
    async with run_app(site):
        yield site


async def test_a_proxy_that_adds_nothing_does_not_pass_for_ours(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        ours = replace(site, app_port=site.gated_port)
        async with HANDLER.run(ours) as where:
            with pytest.raises(BenchError, match="answers wrongly: 418"):
                await check_answers(site, HANDLER, where)
            with pytest.raises(BenchError, match="was told wrong facts"):
                await check_gated(site, where)


async def test_a_proxy_in_front_of_a_dead_app_is_caught(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        async with HANDLER.run(site) as where:
            pass
        with pytest.raises(BenchError, match="does not answer"):
            await check_answers(site, HANDLER, where)
