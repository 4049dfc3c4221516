"""What if we are wrong ourselves: one request pays for it, and nobody waits for good."""

import asyncio
from pathlib import Path

import pytest

from proxy.deadlines import Deadlines
from tests.support.gate import HOST, SESSION
from tests.support.leaks import until
from tests.support.scene import echo, request, set_scene

PAID = request("GET", "", f"Cookie: tollway={SESSION}").replace(b"/public/", b"/paid")


class _Faulty:
    """Facts, or sessions, that break the promise never to raise."""

    def find(self, client_id: str) -> None:
        raise RuntimeError(client_id)

    def recall(self, token: str, host: str) -> None:
        raise RuntimeError(token, host)


@pytest.mark.parametrize("what", ["_facts", "_identifier._sessions"])
async def test_mistake_while_deciding_is_a_500_and_the_next_request_is_answered(
    tmp_path: Path, what: str
) -> None:
    async with set_scene(tmp_path, echo) as scene:
        scene.gate.sessions.live[SESSION, HOST] = "ann"
        owner = scene.gate.server.gate
        *ways, last = what.split(".")
        for way in ways:
            owner = getattr(owner, way)
        setattr(owner, last, _Faulty())
        # Behind another one it is begun while an app's bytes are read, not the visitor's.
        async with scene.visit(request("GET", "a") + PAID + request("GET", "b")) as (_, answers):
            told = [(await answers.next()).status for _ in range(3)]

    assert told == [200, 500, 200]


async def test_look_up_that_goes_on_when_it_is_called_off_reaches_no_app(tmp_path: Path) -> None:
    ended = asyncio.Event()

    class Stubborn:
        def recall(self, token: str, host: str) -> None:
            """Know nothing at once."""

        async def find_client(self, token: str, host: str) -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.set()
            return "ann"

    async with set_scene(tmp_path, echo) as scene:
        scene.gate.server.gate._identifier._sessions = Stubborn()  # type: ignore[attr-defined] # a Gate
        async with scene.visit(PAID.replace(b"/paid", b"/me/")) as (visitor, _):
            await until(lambda: any(seen._exchange for seen in scene.gate.server._open))
            visitor.reset()
            async with asyncio.timeout(5):
                await ended.wait()
        other = await scene.ask(request("GET", "other"))
        received = scene.app.received

    assert other.status == 200
    assert b"/me/" not in received


async def test_log_that_cannot_be_written_keeps_nobody_waiting(tmp_path: Path) -> None:
    def refuse(lines: str) -> None:
        raise OSError(28, "No space left on device", len(lines))

    async with set_scene(tmp_path, echo) as scene:
        scene.gate.log._sink = refuse
        # More than the log keeps before it writes.
        async with scene.visit(request("GET", "a") * 600) as (_, answers):
            told = {(await answers.next()).status for _ in range(600)}

    assert told == {200}


async def test_mistake_about_one_connection_leaves_others_their_time_outs() -> None:
    checked = []

    class Broken:
        def check(self, now: float) -> None:
            raise RuntimeError(now)

    class Sound:
        def check(self, now: float) -> None:
            checked.append(now)

    deadlines = Deadlines(0.001)
    for watched in (Broken(), Sound(), Broken(), Sound()):
        deadlines.add(watched)
    deadlines.start()
    try:
        await until(lambda: len(set(checked)) > 1)
    finally:
        deadlines.stop()

    assert len(checked) == 2 * len(set(checked))
