"""The ten sample apps by themselves, on real sockets."""

import asyncio
import hashlib
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from demo.apps.api import create_api
from demo.apps.chat import create_chat
from demo.apps.feed import create_feed
from demo.apps.files import create_files
from demo.apps.pages import create_pages
from tests.support.product import ROOT


def maker(name: str) -> Callable[[], web.Application]:
    return lambda: create_pages()[name]


APPS: dict[str, Callable[[], web.Application]] = {
    **{name: maker(name) for name in create_pages()},
    "chat": create_chat,
    "feed": create_feed,
    "files": create_files,
    "api": create_api,
}
ENTITLED = {"X-Entitlement-Plan": "team", "X-Entitlement-Status": "active", "X-Other": "no"}


def test_there_are_ten() -> None:
    assert len(APPS) == 10


@pytest.mark.parametrize("name", APPS)
async def test_app_shows_the_entitlement_headers_it_received(
    aiohttp_client: AiohttpClient, name: str
) -> None:
    client = await aiohttp_client(APPS[name]())

    answer = await client.get("/", headers=ENTITLED)

    text = await answer.text()
    assert answer.status == 200
    assert "X-Entitlement-Plan" in text
    assert "team" in text
    assert "X-Other" not in text


@pytest.mark.parametrize("name", APPS)
@pytest.mark.parametrize("path", ["/public/about", "/favicon.ico", "/static/style.css"])
async def test_app_has_its_public_parts(
    aiohttp_client: AiohttpClient, name: str, path: str
) -> None:
    client = await aiohttp_client(APPS[name]())

    answer = await client.get(path)

    assert answer.status == 200


async def test_header_cannot_become_a_script(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(APPS["notes"]())

    answer = await client.get("/", headers={"X-Entitlement-Plan": "<script>alert(1)</script>"})

    assert "<script>alert" not in await answer.text()


@pytest.mark.parametrize("size", [0, 1, 255, 65_536, 65_537, 3_000_000])
async def test_file_has_the_bytes_that_were_asked_for(
    aiohttp_client: AiohttpClient, size: int
) -> None:
    client = await aiohttp_client(create_files())

    answer = await client.get(f"/files/{size}")

    assert await answer.read() == (bytes(range(256)) * (size // 256 + 1))[:size]


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-9", 206, bytes(range(10))),
        ("bytes=250-260", 206, bytes([250, 251, 252, 253, 254, 255, 0, 1, 2, 3, 4])),
        ("bytes=-2", 206, bytes([998 % 256, 999 % 256])),
        ("bytes=1000-", 416, None),
        ("bytes=9-1", 200, None),
        ("bytes=nonsense", 200, None),
    ],
)
async def test_file_has_ranges(
    aiohttp_client: AiohttpClient, asked: str, status: int, expected: bytes | None
) -> None:
    client = await aiohttp_client(create_files())

    answer = await client.get("/files/1000", headers={"Range": asked})

    assert answer.status == status
    if expected is not None:
        assert await answer.read() == expected


async def test_upload_is_counted_and_hashed(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_files())
    body = b"x" * 300_000

    answer = await client.post("/upload", data=body)

    assert await answer.json() == {"bytes": 300_000, "sha256": hashlib.sha256(body).hexdigest()}


async def test_what_one_says_in_the_chat_all_hear(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_chat())
    async with client.ws_connect("/ws") as ann, client.ws_connect("/ws") as bea:
        await ann.send_str("hello")

        heard = [await leg.receive_str(timeout=5) for leg in (ann, bea)]

    assert heard == ["hello", "hello"]


async def test_feed_sends_an_event_at_once(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_feed())

    async with client.get("/events") as answer:
        event = await answer.content.readuntil(b"\n\n")

    assert answer.content_type == "text/event-stream"
    assert event.startswith(b"id: 1\ndata: event 1 at ")


async def start_apps() -> tuple[Process, dict[str, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "demo.apps", "--exit-with-stdin"),
        env={"PYTHONPATH": str(ROOT)},
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        ready = json.loads(await process.stdout.readline())
    return process, ready["urls"]


async def test_all_run_in_one_process_and_end_with_their_parent() -> None:
    process, urls = await start_apps()
    assert process.stdin is not None

    process.stdin.close()
    async with asyncio.timeout(10):
        code = await process.wait()

    assert set(urls) == set(APPS)
    assert len(set(urls.values())) == 10
    assert code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_all_end_when_asked(number: signal.Signals) -> None:
    process, _ = await start_apps()

    process.send_signal(number)
    async with asyncio.timeout(10):
        code = await process.wait()

    assert code == 0
