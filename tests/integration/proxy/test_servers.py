"""Several servers of one app: turns, servers that are not well, and how they come back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from policies.requirement import Access, Requirement
from proxy.settings import App, Balance, HealthChecks, Route, Timeouts
from tests.support.answers import Requests
from tests.support.gate import Running, run_gate
from tests.support.leaks import no_leaks, until
from tests.support.ports import refusing_port
from tests.support.raw import Peer, RawApp, Script, run_raw_app
from tests.support.scene import close, linger, reset

_CHECKS = HealthChecks("/well?deep=1", 0.01, 5.0, healthy_after=2, unhealthy_after=2)


def _telling(name: str, *, closes: bool = False) -> Script:
    """Answer every request with `name`; `closes` ends the connection after each."""

    async def script(peer: Peer) -> None:
        requests = Requests(peer)
        while (await requests.next_request()).is_whole:
            last = b"Connection: close\r\n" if closes else b""
            await peer.send(
                b"HTTP/1.1 200 OK\r\n%bContent-Length: 1\r\n\r\n%b" % (last, name.encode())
            )
            if closes:
                await peer.close()
                return

    return script


@asynccontextmanager
async def _gate_before(
    folder: Path, *scripts: Script, dress: Callable[[App], App] = lambda app: app
) -> AsyncIterator[tuple[Running, list[RawApp]]]:
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(run_raw_app(script)) for script in scripts]
        urls = tuple(app.url for app in apps)
        gate = await stack.enter_async_context(run_gate(folder, upstreams=urls, dress=dress))
        yield gate, apps


async def _who(gate: Running, *, method: str = "GET", data: bytes | None = None) -> str:
    """Return who answered, or the status of a refusal."""
    status, _, body = await gate.ask("/public/", method=method, data=data)
    return body.decode() if status == 200 else str(status)


@pytest.mark.parametrize("closes", [False, True], ids=["kept", "closed"])
async def test_servers_take_turns(tmp_path: Path, closes: bool) -> None:
    scripts = [_telling(name, closes=closes) for name in "abc"]
    async with _gate_before(tmp_path, *scripts) as (gate, _):
        asked = [await _who(gate) for _ in range(9)]

    assert asked == [*"abcabcabc"]


async def test_a_crowd_takes_turns_too(tmp_path: Path) -> None:
    async with _gate_before(tmp_path, *(_telling(name) for name in "ab")) as (gate, _):
        asked = await asyncio.gather(*(_who(gate) for _ in range(12)))

    assert Counter(asked) == {"a": 6, "b": 6}


async def test_a_busy_server_gets_less_with_least_connections(tmp_path: Path) -> None:
    released = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await released.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ns")

    def least(app: App) -> App:
        return replace(app, balance=Balance.LEAST_CONNECTIONS)

    async with _gate_before(tmp_path, slow, _telling("f"), dress=least) as (gate, _):
        held = asyncio.create_task(_who(gate))
        await until(lambda: gate.upstream.servers[0].busy)
        asked = [await _who(gate) for _ in range(10)]
        released.set()

        assert asked == ["f"] * 10
        assert await held == "s"


async def test_least_connections_takes_turns_among_equals(tmp_path: Path) -> None:
    def least(app: App) -> App:
        return replace(app, balance=Balance.LEAST_CONNECTIONS)

    scripts = [_telling(name) for name in "ab"]
    async with _gate_before(tmp_path, *scripts, dress=least) as (gate, _):
        asked = [await _who(gate) for _ in range(10)]

    assert Counter(asked) == {"a": 5, "b": 5}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_refusing_server_is_passed_over(tmp_path: Path, method: str) -> None:
    with refusing_port() as port:
        async with run_raw_app(_telling("a", closes=True)) as app:
            urls = (f"http://127.0.0.1:{port}", app.url)
            async with run_gate(tmp_path, upstreams=urls) as gate:
                data = b"x" if method == "POST" else None
                asked = [await _who(gate, method=method, data=data) for _ in range(20)]

    assert asked == ["a"] * 20


@pytest.mark.parametrize("dying", [close, reset], ids=["closes", "resets"])
async def test_a_server_that_breaks_off_does_not_show_where_repeating_is_safe(
    tmp_path: Path, dying: Script
) -> None:
    async def dead(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await dying(peer)

    async with _gate_before(tmp_path, dead, _telling("a")) as (gate, _):
        asked = [await _who(gate) for _ in range(20)]

    assert asked == ["a"] * 20


async def test_what_may_have_been_acted_on_is_not_placed_elsewhere(tmp_path: Path) -> None:
    async def dead(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await peer.close()

    async with _gate_before(tmp_path, dead, _telling("a")) as (gate, apps):
        asked = [await _who(gate, method="POST", data=b"") for _ in range(2)]

    assert asked == ["502", "a"]
    assert len(apps[0].peers) == 1


async def test_a_request_that_fells_servers_visits_two_of_them(tmp_path: Path) -> None:
    async def dead(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await peer.close()

    async with _gate_before(tmp_path, *[dead] * 4) as (gate, apps):
        assert await _who(gate) == "502"

    assert sum(len(app.peers) for app in apps) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_answer_is_no_failure_whatever_it_says(tmp_path: Path, status: int) -> None:
    async def unwell(peer: Peer) -> None:
        requests = Requests(peer)
        while (await requests.next_request()).is_whole:
            await peer.send(b"HTTP/1.1 %d Oh\r\nContent-Length: 0\r\n\r\n" % status)

    def quick(app: App) -> App:
        return replace(app, failures=1, cooldown_s=600.0)

    async with _gate_before(tmp_path, unwell, dress=quick) as (gate, apps):
        asked = [await _who(gate) for _ in range(5)]

    assert asked == [str(status)] * 5
    assert apps[0].received.count(b"GET ") == 5


async def test_a_server_that_was_shut_out_is_tried_by_one_request_alone(tmp_path: Path) -> None:
    arrived: list[Peer] = []
    released = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        arrived.append(peer)
        if len(arrived) == 1:
            await peer.close()
            return
        await released.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")

    def quick(app: App) -> App:
        return replace(app, failures=1, cooldown_s=600.0)

    async with _gate_before(tmp_path, script, dress=quick) as (gate, _):
        server = gate.upstream.servers[0]
        assert await _who(gate) == "502"
        assert await _who(gate) == "503"  # Shut out: it is not even asked.
        assert len(arrived) == 1

        server._shut_until = asyncio.get_running_loop().time()  # The cooldown is over.
        crowd = [asyncio.create_task(_who(gate)) for _ in range(8)]
        await until(lambda: sum(task.done() for task in crowd) == 7)
        released.set()

        assert Counter(await asyncio.gather(*crowd)) == {"503": 7, "a": 1}
        assert len(arrived) == 2
        assert server.is_available(asyncio.get_running_loop().time())


class _Patient:
    """A server whose health a test decides; `asked` are the targets of its checks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.asked: list[str] = []
        self.checks = 0

    async def __call__(self, peer: Peer) -> None:
        requests = Requests(peer)
        while (request := await requests.next_request()).is_whole:
            if not request.target.startswith("/well"):
                await peer.send(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%b" % self.name.encode()
                )
                continue
            fields = dict(request.fields)
            assert fields["Host"] == "notes.localhost"
            assert fields["Connection"] == "close"
            self.asked.append(request.target)
            await peer.send(b"HTTP/1.1 %d Oh\r\nContent-Length: 9\r\n\r\n" % self.status)
            await linger(peer)
            self.checks += 1
            return

    async def checked(self, times: int = 3) -> None:
        """Wait until so many more checks were answered."""
        goal = self.checks + times
        await until(lambda: self.checks >= goal, limit_s=20)


def _checked(app: App) -> App:
    return replace(app, health=_CHECKS)


async def test_a_server_that_is_not_well_gets_nothing_until_it_is(tmp_path: Path) -> None:
    a, b = _Patient("a"), _Patient("b")
    async with _gate_before(tmp_path, a, b, dress=_checked) as (gate, _):
        await a.checked()
        assert Counter([await _who(gate) for _ in range(6)]) == {"a": 3, "b": 3}

        a.status = 503
        await a.checked()
        assert [await _who(gate) for _ in range(6)] == ["b"] * 6

        b.status = 404
        await b.checked()
        assert await _who(gate) == "503"

        a.status = b.status = 204
        await a.checked()
        await b.checked()
        assert Counter([await _who(gate) for _ in range(6)]) == {"a": 3, "b": 3}

    assert set(a.asked) == {"/well?deep=1"}


async def test_one_bad_check_is_not_enough(tmp_path: Path) -> None:
    a = _Patient("a")

    def lenient(app: App) -> App:
        return replace(app, health=replace(_CHECKS, unhealthy_after=10**9))

    async with _gate_before(tmp_path, a, dress=lenient) as (gate, _):
        a.status = 500
        await a.checked()

        assert await _who(gate) == "a"


async def test_the_statuses_that_are_good_can_be_named(tmp_path: Path) -> None:
    a = _Patient("a")
    a.status = 401

    def knowing(app: App) -> App:
        return replace(app, health=replace(_CHECKS, statuses=frozenset({401})))

    async with _gate_before(tmp_path, a, dress=knowing) as (gate, _):
        await a.checked()
        assert await _who(gate) == "a"

        a.status = 200
        await a.checked()
        assert await _who(gate) == "503"


async def test_a_server_found_well_again_is_used_at_once(tmp_path: Path) -> None:
    a = _Patient("a")

    def strict(app: App) -> App:
        return replace(app, health=_CHECKS, failures=1, cooldown_s=600.0)

    async with _gate_before(tmp_path, a, dress=strict) as (gate, _):
        a.status = 500
        await a.checked()
        gate.upstream.servers[0].note_failure()  # Shut out for ten minutes besides.
        a.status = 200
        await until(lambda: gate.upstream.servers[0].is_healthy)

        assert await _who(gate) == "a"


async def test_a_server_that_refuses_or_stays_silent_is_not_well(tmp_path: Path) -> None:
    def hasty(app: App) -> App:
        return replace(app, health=replace(_CHECKS, timeout_s=0.05))

    with refusing_port() as port:
        async with run_raw_app(linger) as silent:
            urls = (silent.url, f"http://127.0.0.1:{port}")
            async with run_gate(tmp_path, upstreams=urls, dress=hasty) as gate:
                servers = gate.upstream.servers
                await until(lambda: not any(server.is_healthy for server in servers))

                assert await _who(gate) == "503"


async def test_checks_go_over_unix_sockets(tmp_path: Path) -> None:
    a = _Patient("a")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        try:
            await a(peer)
        except EOFError:
            pass
        finally:
            await peer.close()

    path = tmp_path / "a.sock"
    server = await asyncio.start_unix_server(serve, path)
    async with run_gate(tmp_path, upstreams=(f"unix:{path}",), dress=_checked) as gate:
        await a.checked()
        assert await _who(gate) == "a"

        a.status = 500
        await a.checked()
        assert await _who(gate) == "503"
    server.close()


async def test_checks_end_with_the_gate_and_leave_nothing_behind(tmp_path: Path) -> None:
    tasks = asyncio.all_tasks()
    a = _Patient("a")
    async with _gate_before(tmp_path, a, dress=_checked) as (gate, _):
        await a.checked()
        async with no_leaks(gate):
            gate.upstream.close()
            await until(lambda: not gate.upstream.busy)

    assert asyncio.all_tasks() == tasks


def _with_route(route: Route) -> Callable[[App], App]:
    return lambda app: replace(app, routes=(route, *app.routes))


async def test_a_route_may_take_smaller_uploads(tmp_path: Path) -> None:
    small = Route("/public/small/", Requirement("notes", Access.PUBLIC), body_limit_bytes=3)
    async with _gate_before(tmp_path, _telling("a"), dress=_with_route(small)) as (gate, _):
        asked = [
            (await gate.ask(f"/public/{path}", method="POST", data=data))[0]
            for path, data in (("small/", b"123"), ("small/", b"1234"), ("", b"1234"))
        ]

    assert asked == [200, 413, 200]


async def test_a_route_may_have_less_patience(tmp_path: Path) -> None:
    hasty = Route(
        "/public/hasty/",
        Requirement("notes", Access.PUBLIC),
        timeouts=Timeouts(connect_s=1.0, first_byte_s=0.05, idle_s=1.0),
    )
    async with _gate_before(tmp_path, linger, dress=_with_route(hasty)) as (gate, _):
        asked = asyncio.create_task(gate.ask("/public/patient"))
        status, _, _ = await gate.ask("/public/hasty/")

        assert status == 504
        assert not asked.done()
        asked.cancel()
