"""Visitors who do not speak HTTP/1.1, or only nearly: one refusal, and nothing reaches an app."""

import asyncio
from pathlib import Path

import pytest

from tests.support.leaks import until
from tests.support.raw import answering
from tests.support.scene import END, OK, echo, request, set_scene

HELLO = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(range(32)) + b"\x20" + bytes(120)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
BEHIND = b"GET /public/smuggled HTTP/1.1\r\nHost: notes.localhost\r\n\r\n"

GARBAGE = {
    "TLS": (HELLO, {400}),
    "TLS with a line end in it": (HELLO + b"\r\n\r\n", {400}),
    "HTTP/2": (PREFACE, {400, 501, 505}),
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", {400}),
    "Redis": (b"*1\r\n$4\r\nPING\r\n\r\n", {400}),
    "SMTP": (b"EHLO mail.example\r\n\r\n", {400}),
    "PROXY of a load balancer": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + BEHIND, {400}),
    "an answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {400}),
    "NUL": (b"\x00" * 100 + b"\r\n\r\n", {400}),
    "all bytes": (bytes(range(256)) + b"\r\n\r\n", {400}),
    "HTTP/0.9": (b"GET /public/\r\n\r\n", {400, 505}),
    "HTTP/3.0": (b"GET /public/ HTTP/3.0\r\nHost: notes.localhost\r\n\r\n", {400, 505}),
    "HTTP/1.10": (b"GET /public/ HTTP/1.10\r\nHost: notes.localhost\r\n\r\n", {400, 505}),
    "http in small letters": (b"GET /public/ http/1.1\r\nHost: notes.localhost\r\n\r\n", {400}),
    "no method": (b" /public/ HTTP/1.1\r\nHost: notes.localhost\r\n\r\n", {400, 501}),
    "no target": (b"GET  HTTP/1.1\r\nHost: notes.localhost\r\n\r\n", {400}),
    "two spaces": (b"GET  /public/ HTTP/1.1\r\nHost: notes.localhost\r\n\r\n", {400}),
    "tab for a space": (b"GET\t/public/ HTTP/1.1\r\nHost: notes.localhost\r\n\r\n", {400, 501}),
    "method too long": (b"A" * 100_000, {400, 414, 431, 501}),
    "target too long": (request("GET", "a" * 100_000), {400, 414, 431}),
    "field too long": (request("GET", "", "X-A: " + "a" * 100_000), {400, 431}),
    "fields too many": (request("GET", "", *["X-A: b"] * 10_000), {400, 431}),
    "CONNECT": (
        b"CONNECT notes.localhost:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        {400, 501},
    ),
    "TRACE": (request("TRACE"), {400, 405, 501}),
}

BAD_CHUNKS = {
    "size in words": b"five\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size with a plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "size below nothing": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "size of 17 digits": b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n",
    "endless size": b"0" * 100_000,
    "endless extension": b"5;" + b"a" * 100_000,
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare LF in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "bare CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "data longer than said": b"3\r\nhello\r\n0\r\n\r\n",
    "data shorter than said": b"7\r\nhello\r\n0\r\n\r\n",
    "bare LF at the end": b"5\r\nhello\r\n0\r\n\n",
    "trailer without a colon": b"5\r\nhello\r\n0\r\nX-A b\r\n\r\n",
    "trailer folded": b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n",
    "trailers without end": b"5\r\nhello\r\n0\r\n" + b"X-A: b\r\n" * 20_000,
}


@pytest.mark.parametrize(("raw", "statuses"), GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_refused_once_and_the_connection_closed(
    tmp_path: Path, raw: bytes, statuses: set[int]
) -> None:
    async with (
        set_scene(tmp_path, answering(OK)) as scene,
        scene.visit() as (visitor, answers),
    ):
        visitor.writer.write(raw + BEHIND)
        answer = await answers.next()
        surplus = await answers.surplus()

    assert answer.status in statuses
    assert (answer.is_problem, answer.is_whole, answer.is_last, surplus) == (True, True, True, b"")
    assert scene.app.peers == []


async def test_garbage_in_small_pieces_is_refused_as_well(tmp_path: Path) -> None:
    async with (
        set_scene(tmp_path, answering(OK)) as scene,
        scene.visit() as (visitor, answers),
    ):
        for byte in HELLO:
            visitor.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        visitor.writer.write(END)
        answer = await answers.next()

    assert (answer.status, answer.is_last) == (400, True)
    assert scene.app.peers == []


@pytest.mark.parametrize("bad", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
async def test_bad_chunks_are_a_400_and_never_a_whole_request(tmp_path: Path, bad: bytes) -> None:
    async with (
        set_scene(tmp_path, echo) as scene,
        scene.visit() as (visitor, answers),
    ):
        visitor.writer.write(request("POST", "", "Transfer-Encoding: chunked") + bad + BEHIND)
        answer = await answers.next()
        surplus = await answers.surplus()
        # The gate ends what it began with the app.
        await until(lambda: all(peer.reader.at_eof() for peer in scene.app.peers))
        received = scene.app.received

    assert (answer.status, answer.is_last, surplus) == (400, True, b"")
    assert b"\r\n0\r\n" not in received
    assert b"GET /public/smuggled" not in received


async def test_bad_chunk_after_the_answer_began_cuts_the_connection(tmp_path: Path) -> None:
    async with (
        set_scene(tmp_path, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")) as scene,
        scene.visit(request("POST", "", "Transfer-Encoding: chunked")) as (visitor, answers),
    ):
        await visitor.read_until(END + b"ok")
        visitor.writer.write(b"five\r\nhello\r\n" + BEHIND)
        answer = await answers.next()

    assert (answer.status, answer.is_whole) == (200, False)
    assert len(scene.app.peers) == 1


async def test_refusal_reaches_a_visitor_who_reads_only_after_he_has_sent_all(
    tmp_path: Path,
) -> None:
    async with (
        set_scene(tmp_path, answering(OK)) as scene,
        scene.visit() as (visitor, answers),
    ):
        # A gate that closes with bytes unread resets, and the answer is lost on the way.
        visitor.writer.write(b"\x00garbage\r\n\r\n" + b"a" * 1_000_000)
        answer = await answers.next()

    assert (answer.status, answer.is_last) == (400, True)
