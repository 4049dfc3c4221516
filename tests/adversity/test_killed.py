"""Any process of `tollway up` is killed outright: nothing of it stays behind, no data lost."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.support.product import Product, command_of, is_alive, processes_below, start_product

# They are gone within two seconds on a quiet machine; here others have the processors too.
_ORPHAN_LIMIT_S = 30.0
# What tells each kind of process of `up` from the others, in its command line.
_KINDS = {
    "postgres": "bin/postgres -D",
    "valkey": "valkey-server",
    "guard": "guard.py",
    "apps": "-m demo.apps",
    "sandbox": "-m demo.sandbox",
}


async def sign_in(product: Product, name: str) -> str:
    """Sign in without a browser and return the session cookie."""
    url = f"http://127.0.0.1:{product.port}/sign-in"
    headers = {
        "Host": f"checkout.localhost:{product.port}",
        "Origin": f"http://checkout.localhost:{product.port}",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data={"name": name}, headers=headers, allow_redirects=False) as answer,
    ):
        assert answer.status == 303, await answer.text()
        return answer.cookies["tollway"].value


async def account_status(product: Product, cookie: str) -> int:
    url = f"http://127.0.0.1:{product.port}/account"
    headers = {"Host": f"checkout.localhost:{product.port}", "Cookie": f"tollway={cookie}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status


def victim_of(product: Product, kind: str) -> int:
    if kind == "gateway":
        return product.process.pid
    # The guard's own command line carries its child's, so it is told apart first.
    below = {pid: command_of(pid) for pid in processes_below(product.process.pid)}
    guards = {pid for pid, command in below.items() if _KINDS["guard"] in command}
    if kind == "guard":
        return min(guards)
    found = [pid for pid, c in below.items() if _KINDS[kind] in c and pid not in guards]
    assert found, below
    return min(found)


async def wait_until_gone(pids: set[int]) -> set[int]:
    """Return the processes that are still there when the limit has passed."""
    try:
        async with asyncio.timeout(_ORPHAN_LIMIT_S):
            while any(map(is_alive, pids)):  # noqa: ASYNC110 - the kernel sets no Event
                await asyncio.sleep(0.02)
    except TimeoutError:
        pass
    return {pid for pid in pids if is_alive(pid)}


@pytest.mark.parametrize("kind", ["gateway", *_KINDS])
async def test_killed_process_leaves_no_orphan_and_loses_nothing(tmp_path: Path, kind: str) -> None:
    product = await start_product(tmp_path / "data")
    cookie = await sign_in(product, "Ann")
    everybody = processes_below(product.process.pid) | {product.process.pid}

    os.kill(victim_of(product, kind), signal.SIGKILL)
    left = await wait_until_gone(everybody)
    output, _ = await product.process.communicate()

    assert not {pid: command_of(pid) for pid in left}
    if kind != "gateway":
        assert product.process.returncode == 1
        assert b"everything was stopped" in output
    again = await start_product(tmp_path / "data")
    assert await account_status(again, cookie) == 200
    assert await again.stop() == 0


async def test_killed_part_of_postgres_is_replaced_and_nobody_is_signed_out(
    tmp_path: Path,
) -> None:
    product = await start_product(tmp_path / "data")
    cookie = await sign_in(product, "Ann")
    below = {pid: command_of(pid) for pid in processes_below(product.process.pid)}
    (victim,) = [pid for pid, command in below.items() if "postgres: checkpointer" in command]

    os.kill(victim, signal.SIGKILL)
    async with asyncio.timeout(20):
        # 503 while Postgres recovers, and never a redirect to the sign-in.
        while (status := await account_status(product, cookie)) == 503:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)

    assert status == 200
    assert await product.stop() == 0


async def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    product = await start_product(tmp_path / "data")
    everybody = processes_below(product.process.pid) | {product.process.pid}

    async with asyncio.timeout(5):
        code = await product.stop()

    assert code == 0
    assert not [pid for pid in everybody if is_alive(pid)]


async def test_second_up_on_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    product = await start_product(tmp_path / "data")
    try:
        with pytest.raises(AssertionError, match="is in use by") as refused:
            await start_product(tmp_path / "data")
    finally:
        await product.stop()

    assert "Traceback" not in str(refused.value)


async def test_folder_too_deep_for_a_socket_is_used_all_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / "with a space"

    product = await start_product(deep, environment={"COLUMNS": "20"})
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"http://127.0.0.1:{product.port}/sign-in",
            headers={"Host": f"checkout.localhost:{product.port}"},
        ) as answer,
    ):
        status = answer.status
    code = await product.stop()

    assert (status, code) == (200, 0)
    # A narrow terminal cuts no URL off.
    assert product.url("calendar", "") in product.output
