"""WebSockets of who may not go on: not paid any more, barred, signed out. Closed, with a reason."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from policies.model import Snapshot
from tests.support.frames import (
    ASKED,
    BINARY,
    CLOSE,
    FIN,
    PING,
    PONG,
    TEXT,
    Frame,
    Frames,
    accept,
    frame,
    open_socket,
    opened,
)
from tests.support.gate import HOST, SESSION, TOKEN_KEY, Running
from tests.support.leaks import until
from tests.support.raw import Peer
from tests.support.scene import Scene, linger, request, set_scene
from tests.support.snapshots import CLIENT, NOW, make_block, make_grant, make_snapshot

PAID = make_snapshot(make_grant())
ENDED = make_snapshot(make_grant(until_at=NOW), version=2)
BARRED = make_snapshot(make_grant(), make_block(), version=2)
FOR_EVER = make_snapshot(make_grant(until_at=None), version=2)


def asked(path: str, *fields: str) -> bytes:
    """Return a handshake to a part of the app that is not public."""
    fields = fields or (f"Cookie: tollway={SESSION}",)
    return request("GET", "ws", *ASKED, *fields).replace(b"/public/ws", path.encode())


def token_of(name: str, until: datetime) -> str:
    claims = {"iss": "tests", "aud": "tollway", "sub": name, "exp": int(until.timestamp())}
    return f"Authorization: Bearer {jwt.encode(claims, TOKEN_KEY, 'HS256')}"


@dataclass
class Open:
    """An open WebSocket of a client who has paid, with an app that echoes."""

    scene: Scene
    gate: Running
    visitor: Peer
    frames: Frames
    heard: list[Frame]

    async def echoes(self) -> bool:
        """Tell whether it is open: a message comes back."""
        await self.visitor.send(frame(FIN | TEXT, b"still there?", mask=True))
        answer = await self.frames.next()
        return answer is not None and answer.payload == b"still there?"

    async def told(self) -> tuple[int | None, str]:
        """Wait for the close frame, and return its code and reason."""
        (last,) = [f for f in await self.frames.all() if f.opcode == CLOSE]
        return last.code, last.payload[2:].decode()

    async def warned(self, seconds: int) -> None:
        """Wait for the warning, which both sides get by a ping."""
        ping = await self.frames.next()
        assert ping is not None
        assert (ping.opcode, ping.payload) == (PING, f"4402 grant_ended {seconds}".encode())
        await until(lambda: any(f.payload == ping.payload for f in self.heard))
        # The app's own answer, which passes as every frame does.
        pong = await self.frames.next()
        assert pong is not None
        assert (pong.opcode, pong.payload) == (PONG, ping.payload)

    async def looked(self) -> None:
        """Wait until all that was heard has been looked at."""
        streams = self.gate.streams
        await until(lambda: not streams._news._tasks and not streams._patient._tasks)


@asynccontextmanager
async def open_paid(
    folder: Path, path: str = "/paid", *fields: str, snapshot: Snapshot = PAID
) -> AsyncIterator[Open]:
    heard: list[Frame] = []

    async def echo(peer: Peer) -> None:
        frames = await accept(peer)
        while (received := await frames.next()) is not None and received.opcode != CLOSE:
            first = FIN | PONG if received.opcode == PING else received.first
            await peer.send(frame(first, received.payload))
            heard.append(received)
        if received is not None:
            heard.append(received)
        await peer.close()

    async with set_scene(folder, echo) as scene:
        gate = scene.gate
        gate.sessions.live[SESSION, HOST] = CLIENT
        gate.facts.truth[CLIENT] = gate.facts.cached[CLIENT] = snapshot
        async with open_socket(scene, asked=asked(path, *fields)) as (visitor, frames):
            yield Open(scene, gate, visitor, frames, heard)


@pytest.mark.parametrize(
    ("path", "then", "reason"),
    [
        ("/paid", ENDED, "grant_ended"),
        ("/paid", make_snapshot(version=2), "no_grant"),
        ("/paid", make_snapshot(make_grant(value=False), version=2), "feature_off"),
        ("/paid", BARRED, "blocked"),
        ("/me/", BARRED, "blocked"),
        ("/warned/", BARRED, "blocked"),
    ],
)
async def test_both_sides_hear_that_it_is_not_paid_any_more(
    tmp_path: Path, path: str, then: Snapshot, reason: str
) -> None:
    async with open_paid(tmp_path, path) as ws:
        assert await ws.echoes()
        ws.gate.facts.change(then)
        told = await ws.told()
        await until(lambda: ws.heard[-1].opcode == CLOSE)

    assert told == (4402, reason)
    assert (ws.heard[-1].code, ws.heard[-1].payload[2:].decode()) == (4402, reason)
    assert [(line["status"], line["reason"]) for line in ws.gate.logged()] == [(101, reason)]


@pytest.mark.parametrize(
    "then",
    [FOR_EVER, make_snapshot(make_grant(), version=2), PAID],
    ids=["renewed", "changed elsewhere", "nothing new"],
)
async def test_client_who_may_go_on_hears_nothing(tmp_path: Path, then: Snapshot) -> None:
    async with open_paid(tmp_path) as ws:
        ws.gate.facts.change(then)
        await ws.looked()

        assert await ws.echoes()


async def test_time_that_is_over_ends_it_without_any_notice(tmp_path: Path) -> None:
    async with open_paid(tmp_path) as ws:
        ws.gate.clock.move(hours=23)
        assert await ws.echoes()
        ws.gate.clock.move(hours=1)

        assert await ws.told() == (4402, "grant_ended")


async def test_grant_that_takes_over_ends_nothing(tmp_path: Path) -> None:
    after = make_grant(from_at=NOW + timedelta(days=1), until_at=NOW + timedelta(days=2))
    async with open_paid(tmp_path, snapshot=make_snapshot(make_grant(), after)) as ws:
        ws.gate.clock.move(days=1)
        assert await ws.echoes()
        ws.gate.clock.move(days=1)

        assert await ws.told() == (4402, "grant_ended")


async def test_provider_is_asked_before_time_is_over(tmp_path: Path) -> None:
    async with open_paid(tmp_path) as ws:
        renewed = make_snapshot(make_grant(until_at=NOW + timedelta(days=30)), version=2)
        ws.gate.facts.provider = {CLIENT: renewed}
        ws.gate.clock.move(hours=23, minutes=59, seconds=58)
        await until(lambda: ws.gate.facts.cached[CLIENT] is renewed)
        ws.gate.clock.move(days=1)

        assert await ws.echoes()


async def test_what_changed_while_it_was_being_opened_is_not_missed(tmp_path: Path) -> None:
    async def agree_late(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        scene.gate.facts.change(ENDED)
        await accept(peer)
        await linger(peer)

    async with set_scene(tmp_path, agree_late) as scene:
        scene.gate.sessions.live[SESSION, HOST] = CLIENT
        scene.gate.facts.cached[CLIENT] = PAID
        async with open_socket(scene, asked=asked("/paid")) as (_, frames):
            received = await frames.all()

    assert [f.code for f in received] == [4402]


async def test_app_that_agrees_too_late_is_not_waited_for(tmp_path: Path) -> None:
    async def think(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await linger(peer)

    async with set_scene(tmp_path, think) as scene:
        scene.gate.sessions.live[SESSION, HOST] = CLIENT
        scene.gate.facts.cached[CLIENT] = PAID
        async with scene.visit(asked("/paid")) as (_, answers):
            await until(lambda: len(scene.gate.streams))
            scene.gate.facts.change(ENDED)
            told = await answers.next()

    assert told.status == 402


async def test_handshake_that_took_long_is_closed_as_others_are(tmp_path: Path) -> None:
    async def agree_late(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await until(lambda: len(scene.gate.streams))
        await accept(peer)
        await linger(peer)

    async with set_scene(tmp_path, agree_late) as scene:
        scene.gate.sessions.live[SESSION, HOST] = CLIENT
        scene.gate.facts.cached[CLIENT] = PAID
        async with open_socket(scene, asked=asked("/paid")) as (_, frames):
            scene.gate.facts.change(ENDED)
            received = await frames.all()

    assert [f.code for f in received] == [4402]


async def test_close_frame_waits_for_the_end_of_a_frame(tmp_path: Path) -> None:
    whole = frame(FIN | BINARY, b"a" * 1000)

    async def halve(peer: Peer) -> None:
        frames = await accept(peer)
        await peer.send(whole[:500])
        await frames.next()
        await peer.send(whole[500:])
        await linger(peer)

    async with set_scene(tmp_path, halve) as scene:
        scene.gate.sessions.live[SESSION, HOST] = CLIENT
        scene.gate.facts.cached[CLIENT] = PAID
        async with scene.visit(asked("/paid")) as (visitor, answers):
            frames = await opened(visitor, answers)
            await visitor.read_until(whole[:500])
            scene.gate.facts.change(ENDED)
            received = await frames.all()

    assert [f.payload[:2] for f in received] == [b"aa", (4402).to_bytes(2)]


async def test_warning_waits_for_the_end_of_a_frame(tmp_path: Path) -> None:
    whole = frame(FIN | BINARY, b"a" * 1000)

    async def halve(peer: Peer) -> None:
        await accept(peer)
        await peer.send(whole[:500])
        await peer.read_until(b"grant_ended 60")
        await peer.send(whole[500:] + whole)
        await linger(peer)

    async with set_scene(tmp_path, halve) as scene:
        scene.gate.sessions.live[SESSION, HOST] = CLIENT
        scene.gate.facts.cached[CLIENT] = PAID
        async with scene.visit(asked("/warned/")) as (visitor, answers):
            frames = await opened(visitor, answers)
            await visitor.read_until(whole[:500])
            scene.gate.facts.change(ENDED)
            received = [await frames.next() for _ in range(3)]

    assert sorted(f.payload[:4] for f in received if f is not None) == [b"4402", b"aaaa", b"aaaa"]
    assert received[0] is not None
    assert received[0].payload == b"a" * 1000


# Who asks.


async def test_sign_out_closes_it(tmp_path: Path) -> None:
    async with open_paid(tmp_path, "/me/") as ws:
        ws.gate.sessions.sign_out("of-bob", HOST)
        assert await ws.echoes()
        ws.gate.sessions.sign_out(SESSION, HOST)

        assert await ws.told() == (4401, "session_ended")


async def test_session_that_ends_closes_it(tmp_path: Path) -> None:
    async with open_paid(tmp_path) as ws:
        ws.gate.sessions.ends[SESSION] = datetime.now(UTC) + timedelta(seconds=0.2)
        # Its end is read with whatever is heard of sessions.
        for heard in ws.gate.sessions.ending:
            heard(None)
        await ws.looked()
        assert await ws.echoes()
        ws.gate.sessions.live.clear()

        assert await ws.told() == (4401, "session_ended")


async def test_token_that_ends_closes_it(tmp_path: Path) -> None:
    until_at = datetime.now(UTC) + timedelta(seconds=2)
    async with open_paid(tmp_path, "/me/", token_of("ann", until_at)) as ws:
        assert await ws.echoes()

        assert await ws.told() == (4401, "bad_credential")


async def test_client_who_is_closed_has_no_way_in_by_his_token(tmp_path: Path) -> None:
    until_at = datetime.now(UTC) + timedelta(hours=1)
    async with open_paid(tmp_path, "/me/", token_of("ann", until_at)) as ws:
        ws.gate.sessions.close("ann")

        assert await ws.told() == (4401, "bad_credential")


async def test_sessions_that_cannot_be_read_close_nothing(tmp_path: Path) -> None:
    async with open_paid(tmp_path) as ws:
        ws.gate.sessions.is_down = True
        ws.gate.sessions.live.clear()
        for heard in ws.gate.sessions.ending:
            heard(None)
        await ws.looked()
        assert await ws.echoes()
        ws.gate.sessions.is_down = False

        assert await ws.told() == (4401, "session_ended")


# While facts are unknown.


async def test_unknown_facts_end_it_no_earlier_than_what_was_known(tmp_path: Path) -> None:
    async with open_paid(tmp_path) as ws:
        ws.gate.facts.down = "the database is down"
        ws.gate.facts.tell(None)
        ws.gate.facts.tell(CLIENT)
        await ws.looked()
        assert await ws.echoes()
        ws.gate.clock.move(days=1)

        assert await ws.told() == (1013, "facts_unknown")


async def test_what_was_missed_ends_it_once_facts_can_be_read(tmp_path: Path) -> None:
    async with open_paid(tmp_path) as ws:
        ws.gate.facts.down = "the database is down"
        ws.gate.facts.change(ENDED)
        await ws.looked()
        assert await ws.echoes()
        ws.gate.facts.down = None

        assert await ws.told() == (4402, "grant_ended")


async def test_gap_in_the_notices_has_everybody_looked_at(tmp_path: Path) -> None:
    async with open_paid(tmp_path) as ws:
        ws.gate.facts.cached[CLIENT] = ENDED
        ws.gate.facts.tell(None)

        assert await ws.told() == (4402, "grant_ended")


async def test_closed_route_ends_what_cannot_be_verified(tmp_path: Path) -> None:
    async with open_paid(tmp_path, "/closed/") as ws:
        ws.gate.facts.down = "the database is down"
        ws.gate.facts.tell(CLIENT)
        code, _ = await ws.told()

    assert code == 1013


async def test_open_route_ends_nothing_while_nobody_knows(tmp_path: Path) -> None:
    async with open_paid(tmp_path, "/open/") as ws:
        ws.gate.facts.down = "the database is down"
        ws.gate.facts.tell(CLIENT)
        await ws.looked()
        ws.gate.clock.move(days=1)
        assert await ws.echoes()
        ws.gate.facts.down = None

        assert await ws.told() == (4402, "grant_ended")


async def test_public_part_is_everybodys(tmp_path: Path) -> None:
    async with open_paid(tmp_path, "/public/ws") as ws:
        ws.gate.facts.change(BARRED)
        ws.gate.sessions.sign_out(SESSION, HOST)

        assert await ws.echoes()
        assert len(ws.gate.streams) == 0


# Warnings.


async def test_warning_leaves_its_time_and_no_more(tmp_path: Path) -> None:
    async with open_paid(tmp_path, "/warned/") as ws:
        ws.gate.facts.change(ENDED)
        await ws.warned(60)
        ws.gate.clock.move(seconds=59)
        ws.gate.facts.change(ENDED)
        await ws.looked()
        assert await ws.echoes()
        ws.gate.clock.move(seconds=1)

        assert await ws.told() == (4402, "grant_ended")


async def test_who_pays_while_he_is_warned_stays(tmp_path: Path) -> None:
    async with open_paid(tmp_path, "/warned/") as ws:
        ws.gate.facts.change(ENDED)
        await ws.warned(60)
        ws.gate.clock.move(seconds=30)
        ws.gate.facts.change(make_snapshot(make_grant(until_at=None), version=3))
        await ws.looked()
        ws.gate.clock.move(seconds=60)

        assert await ws.echoes()


async def test_who_is_barred_while_he_is_warned_is_closed_at_once(tmp_path: Path) -> None:
    async with open_paid(tmp_path, "/warned/") as ws:
        ws.gate.facts.change(ENDED)
        await ws.warned(60)
        ws.gate.facts.change(make_snapshot(make_grant(), make_block(), version=3))

        assert await ws.told() == (4402, "blocked")


@pytest.mark.parametrize("early", [timedelta(), timedelta(seconds=30)], ids=["late", "in time"])
async def test_end_that_is_known_before_is_never_put_off(tmp_path: Path, early: timedelta) -> None:
    async with open_paid(tmp_path, "/warned/") as ws:
        ws.gate.clock.now = NOW + timedelta(days=1) - early
        if early:
            await ws.warned(30)
            # Revoked within the warning: it still ends when it would have.
            ws.gate.facts.change(ENDED)
            await ws.looked()
            assert await ws.echoes()
            ws.gate.clock.now = NOW + timedelta(days=1)

        assert await ws.told() == (4402, "grant_ended")
