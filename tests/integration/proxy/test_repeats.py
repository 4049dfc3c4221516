"""Requests of one connection that repeat their fields: quick, and never on what was true before."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import Answer, Answers
from tests.support.gate import HOST, SESSION, Running, run_gate
from tests.support.raw import RawApp, raw_visitor, run_raw_app
from tests.support.scene import echo
from tests.support.snapshots import CLIENT, make_block, make_grant, make_snapshot

FIELDS = f"Host: {HOST}\r\nCookie: tollway={SESSION}; theme=dark\r\nUser-Agent: tests\r\n"


@pytest.fixture
async def app() -> AsyncIterator[RawApp]:
    async with run_raw_app(echo) as running:
        yield running


@pytest.fixture
async def gate(tmp_path: Path, app: RawApp) -> AsyncIterator[Running]:
    async with run_gate(tmp_path, upstreams=(app.url,)) as running:
        running.sessions.live[SESSION, HOST] = CLIENT
        running.facts.truth[CLIENT] = make_snapshot(make_grant())
        yield running


class Visitor:
    """Asks again and again on one connection."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def ask(self, target: str = "/a", fields: str = FIELDS, method: str = "GET") -> Answer:
        await self._answers._peer.send(f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode())
        return await self._answers.next(method)


@pytest.fixture
async def visitor(gate: Running) -> AsyncIterator[Visitor]:
    async with raw_visitor(gate.port) as peer:
        visitor = Visitor(Answers(peer))
        assert (await visitor.ask()).status == 200
        assert (await visitor.ask()).status == 200
        yield visitor


def heads(app: RawApp) -> list[str]:
    return [head for head in app.received.decode().split("\r\n\r\n") if head]


async def test_each_request_reaches_the_app_as_its_own(app: RawApp, visitor: Visitor) -> None:
    answers = [await visitor.ask(f"/a?n={n}", method=m) for n, m in enumerate(("GET", "HEAD"))]

    lines = [head.split("\r\n") for head in heads(app)]
    assert [line[0] for line in lines] == [
        "GET /a HTTP/1.1",
        "GET /a HTTP/1.1",
        "GET /a?n=0 HTTP/1.1",
        "HEAD /a?n=1 HTTP/1.1",
    ]
    told = [dict(field.split(": ", 1) for field in line[1:]) for line in lines]
    assert len({fields.pop("X-Request-Id") for fields in told}) == 4
    assert len({fields.pop("X-Entitlement-Decision-Id") for fields in told}) == 4
    assert told[0] == told[1] == told[2] == told[3]
    assert told[0]["Cookie"] == "theme=dark"
    assert told[0]["X-Entitlement-Client"] == CLIENT
    assert answers[0].find("Cache-Control") == "private"


async def test_session_that_ends_between_two_requests(gate: Running, visitor: Visitor) -> None:
    gate.sessions.live.clear()

    assert (await visitor.ask()).status == 401


async def test_grant_that_ends_between_two_requests(gate: Running, visitor: Visitor) -> None:
    until = gate.clock.now + timedelta(seconds=5)
    held = make_snapshot(replace(make_grant(), until_at=until), version=2)
    gate.facts.truth[CLIENT] = gate.facts.cached[CLIENT] = held
    assert (await visitor.ask()).status == 200

    gate.clock.move(seconds=4.999)
    assert (await visitor.ask()).status == 200
    gate.clock.move(seconds=0.001)
    assert (await visitor.ask()).status == 402


async def test_block_between_two_requests(gate: Running, visitor: Visitor) -> None:
    blocked = make_snapshot(make_grant(), make_block(), version=2)
    gate.facts.truth[CLIENT] = gate.facts.cached[CLIENT] = blocked

    assert (await visitor.ask()).status == 403


async def test_clock_that_is_set_back(gate: Running, visitor: Visitor) -> None:
    gate.clock.move(days=-3650)

    assert (await visitor.ask()).status == 402


async def test_facts_that_become_unknown(gate: Running, visitor: Visitor) -> None:
    assert (await visitor.ask("/closed/a")).status == 200
    gate.facts.down = "the database is down"

    assert (await visitor.ask("/closed/a")).status == 503
    assert (await visitor.ask()).status == 200


async def test_each_route_decides_for_itself(gate: Running, visitor: Visitor) -> None:
    statuses = [
        (await visitor.ask(target)).status
        for target in ("/a", "/seats/a", "/public/a", "/me/a", "/seats/a", "/a")
    ]

    assert statuses == [200, 402, 200, 200, 402, 200]


@pytest.mark.parametrize(
    "fields",
    [
        f"Host: {HOST}\r\nCookie: tollway=another\r\n",
        f"Host: {HOST}\r\n",
        FIELDS.replace("tollway=", "tollway-="),
        FIELDS.replace("Cookie", "Cookies"),
    ],
)
async def test_other_fields_are_another_visitors(visitor: Visitor, fields: str) -> None:
    assert (await visitor.ask(fields=fields)).status == 401
    assert (await visitor.ask()).status == 200


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET  /a HTTP/1.1", 400),
        ("GET /a HTTP/1.2", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("GET /%2e%2e/a HTTP/1.1", 400),
        ("CONNECT /a HTTP/1.1", 400),
        ("get /a HTTP/1.1", 400),
        ("GET /" + "a" * 9000 + " HTTP/1.1", 414),
        ("GET /" + "a" * 8192 + " HTTP/1.1", 414),
        ("GET http://checkout.localhost/a HTTP/1.1", 400),
    ],
)
async def test_line_is_read_as_strictly_as_the_first(
    app: RawApp, gate: Running, line: str, status: int
) -> None:
    async with raw_visitor(gate.port) as peer:
        answers = Answers(peer)
        assert (await Visitor(answers).ask()).status == 200
        await peer.send(f"{line}\r\n{FIELDS}\r\n".encode())
        answer = await answers.next()

        assert (answer.status, answer.is_last) == (status, True)
        assert await answers.surplus() == b""
    assert len(heads(app)) == 1


async def test_http_10_line_does_not_borrow_from_http_11(gate: Running) -> None:
    async with raw_visitor(gate.port) as peer:
        answers = Answers(peer)
        assert (await Visitor(answers).ask()).status == 200
        await peer.send(f"GET /a HTTP/1.0\r\n{FIELDS}\r\n".encode())
        answer = await answers.next()

        assert (answer.status, answer.is_last) == (200, True)
        assert await answers.surplus() == b""


async def test_repeated_body_is_framed_each_time(app: RawApp, visitor: Visitor) -> None:
    fields = FIELDS + "Content-Length: 3\r\n"
    for body in ("abc", "def"):
        await visitor._answers._peer.send(f"POST /a HTTP/1.1\r\n{fields}\r\n{body}".encode())
        assert (await visitor._answers.next()).body == body.encode()


async def test_public_route_forgets_a_client_who_signed_out(
    gate: Running, app: RawApp, visitor: Visitor
) -> None:
    assert (await visitor.ask("/public/a")).status == 200
    gate.sessions.live.clear()
    assert (await visitor.ask("/public/a")).status == 200

    before, after = heads(app)[-2:]
    assert f"X-Entitlement-Client: {CLIENT}" in before
    assert "X-Entitlement-Client" not in after
    assert "X-Entitlement-Status: anonymous" in after


@pytest.mark.parametrize(("size", "status"), [(8192, 200), (8193, 414)])
async def test_longest_target_is_the_same_for_the_first_request_and_the_next(
    gate: Running, size: int, status: int
) -> None:
    target = "/" + "a" * (size - 1)
    async with raw_visitor(gate.port) as peer:
        first = await Visitor(Answers(peer)).ask(target)
    async with raw_visitor(gate.port) as peer:
        visitor = Visitor(Answers(peer))
        await visitor.ask()
        second = await visitor.ask(target)

    assert (first.status, second.status) == (status, status)


async def test_what_is_in_memory_costs_no_task(gate: Running) -> None:
    begun: list[str] = []

    def note(
        loop: asyncio.AbstractEventLoop,
        coroutine: Any,  # Any: typeshed gives a factory's arguments no common type
        **kwargs: Any,
    ) -> "asyncio.Task[Any]":
        begun.append(coroutine.__qualname__)
        return asyncio.Task(coroutine, loop=loop, **kwargs)

    async with raw_visitor(gate.port) as peer:
        visitor = Visitor(Answers(peer))
        asyncio.get_running_loop().set_task_factory(note)
        first = await visitor.ask()
        slow, begun[:] = list(begun), []
        later = [await visitor.ask(f"/a?{n}") for n in range(3)]
        asyncio.get_running_loop().set_task_factory(None)

    assert [answer.status for answer in (first, *later)] == [200] * 4
    # Facts had to be read, and a connection to be opened.
    assert any(name.startswith("Gate.") for name in slow)
    assert any(name.startswith("Errand.") for name in slow)
    assert begun == []
