"""Who visits in a soak: requests, WebSockets and event streams, each answer noted.

The app behind the gateway is here too: it answers whatever comes, and ticks on its streams.
"""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import web

from bench.soak.payments import CLIENTS, name_of
from bench.soak.place import APP
from bench.stacks.tollway import token_of
from bench.trouble.verdicts import Answer, Seen

_TICK_S: Final = 0.2
# What is on its way when a stream is ended: two ticks, and the end itself.
_SLACK_S: Final = 1.0
_PAUSE_S: Final = (0.0, 0.08)
_STAY_S: Final = (1.0, 20.0)
_LIMIT_S: Final = 10.0
_CLOSED: Final = {4402: Answer.ENDED, 1013: Answer.UNAVAILABLE}

_ANSWERS: Final = {
    200: Answer.ALLOWED,
    402: Answer.UNPAID,
    403: Answer.BLOCKED,
    503: Answer.UNAVAILABLE,
}


def ticking() -> list[web.RouteDef]:
    """Return the routes of the app that go on and on: a WebSocket, and a stream of events."""

    async def tell(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"data: tick\n\n")
                await asyncio.sleep(_TICK_S)
        return response

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        with suppress(ConnectionError):
            while not socket.closed:
                await socket.send_str("tick")
                with suppress(TimeoutError):
                    await socket.receive(_TICK_S)
        return socket

    return [web.get("/stream", tell), web.get("/socket", talk)]


def told_by(close_code: int) -> Answer:
    """Return what a WebSocket's close tells; nobody signs out here, and no app ever closes one."""
    return _CLOSED.get(close_code, Answer.BROKEN)


@dataclass(slots=True)
class Visits:
    """Visits the gateway in all ways at once; `seen` is what was told, in no order."""

    port: int
    token_key: str
    random: random.Random
    seen: list[Seen] = field(default_factory=list)
    _tokens: dict[int, str] = field(default_factory=dict)

    async def run(self, askers: int, streams: int) -> None:
        """Visit until cancelled."""
        self._tokens = {
            client: token_of(self.token_key, name_of(client)) for client in range(CLIENTS)
        }
        async with (
            aiohttp.ClientSession(
                base_url=f"http://127.0.0.1:{self.port}",
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, connect=_LIMIT_S, sock_read=_LIMIT_S),
            ) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for _ in range(askers):
                tasks.create_task(self._ask(session))
            for number in range(streams):
                tasks.create_task(self._follow(session, is_socket=number % 2 == 0))

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        while True:
            client = self._choose()
            begun_s = time.time()
            try:
                async with session.get("/", headers=self._headers(client)) as response:
                    await response.read()
                    answer, how = _ANSWERS.get(response.status), str(response.status)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                answer, how = Answer.BROKEN, type(error).__name__
            self._note(client, begun_s, answer or Answer.BROKEN, how)
            await asyncio.sleep(self.random.uniform(*_PAUSE_S))

    async def _follow(self, session: aiohttp.ClientSession, *, is_socket: bool) -> None:
        while True:
            client = self._choose()
            until_s = time.time() + self.random.uniform(*_STAY_S)
            begun_s = time.time()
            try:
                if is_socket:
                    await self._talk(session, client, until_s)
                else:
                    await self._listen(session, client, until_s)
            except aiohttp.WSServerHandshakeError as error:
                answer = _ANSWERS.get(error.status, Answer.BROKEN)
                self._note(client, begun_s, answer, f"socket {error.status}")
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self._note(client, time.time() - _SLACK_S, Answer.BROKEN, type(error).__name__)
            await asyncio.sleep(self.random.uniform(*_PAUSE_S))

    async def _talk(self, session: aiohttp.ClientSession, client: int, until_s: float) -> None:
        async with session.ws_connect("/socket", headers=self._headers(client)) as socket:
            while time.time() < until_s:
                message = await socket.receive(_LIMIT_S)
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._note_tick(client, "socket")
                    continue
                code = socket.close_code or 1006
                how = f"socket {code} {message.extra or ''}".strip()
                self._note(client, time.time() - _SLACK_S, told_by(code), how)
                return

    async def _listen(self, session: aiohttp.ClientSession, client: int, until_s: float) -> None:
        begun_s = time.time()
        async with session.get("/stream", headers=self._headers(client)) as response:
            if response.status != 200:
                answer = _ANSWERS.get(response.status, Answer.BROKEN)
                self._note(client, begun_s, answer, f"stream {response.status}")
                return
            while time.time() < until_s:
                line = await response.content.readline()
                if not line:
                    # For want of payment or by a bar, one of which must hold.
                    self._note(client, time.time() - _SLACK_S, Answer.ENDED, "stream ended")
                    return
                self._note_tick(client, "stream")

    def _note_tick(self, client: int, how: str) -> None:
        self._note(client, time.time() - _SLACK_S, Answer.ALLOWED, how)

    def _note(self, client: int, begun_s: float, answer: Answer, how: str) -> None:
        self.seen.append(Seen(client, begun_s, time.time(), answer, how))

    def _choose(self) -> int:
        """Return a client; few come often, and many seldom."""
        return min(int(self.random.paretovariate(0.6)) - 1, CLIENTS * 4) % CLIENTS

    def _headers(self, client: int) -> dict[str, str]:
        return {
            "Host": f"{APP}.localhost",
            "Authorization": f"Bearer {self._tokens[client]}",
            "Accept": "application/json",
        }
