"""A process that serves visitors, wired as `gateway.lifecycle` does, within the test's own.

It reaches each server by a link of its own, and a clock that tests move tells it the time.
"""

import asyncio
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import jwt

from bench.trouble.link import Link
from bench.trouble.servers import postgres_through, valkey_through
from billing.entitlements.invalidation import Listener
from gateway.clock import SteadyClock
from gateway.config.load import load_config
from gateway.front import Front
from gateway.last_known.file import read_file
from gateway.last_known.keeper import LastKnown
from gateway.lifecycle import Gateway, serving
from gateway.stores import Stores, open_stores
from gateway.wiring.extras import Extras
from gateway.wiring.last_known import last_known_of
from gateway.wiring.notices import listener_of
from policies.model import Snapshot
from tests.support.outage import configure
from tests.support.serving import environment_of

HOST: Final = "notes.localhost"
NEGATIVE_TTL_S: Final = 2.0
"""How old what a refusal rests on may be."""
_LIMIT_S: Final = 30.0
# An answer takes four look-ups of half a second and a question to the provider at the most.
_ANSWERS_S: Final = 5.0
_CLIENTS: Final = 40
_TOKEN_KEY: Final = "k" * 32  # as in `environment_of`
_TOKEN_S: Final = 86_400
_SETTINGS: Final = """
redis: {{url: "${{REDIS_URL}}", timeout_s: 0.2}}
entitlements:
  memory_clients: {clients}
  memory_ttl_s: 60
  negative_ttl_s: {negative_ttl_s}
  lookup_timeout_s: 0.6
  last_known: {{folder: {folder}, every_s: 86400, lease_s: 604800}}
"""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client, who comes with a session or with a token."""

    name: str
    by: str = "session"

    def headers(self) -> dict[str, str]:
        """Return what makes the gateway know who it is."""
        if self.by == "session":
            return {"Cookie": f"tollway={self.name}"}
        claims = {
            "iss": "tests",
            "aud": "tollway",
            "sub": self.name,
            "exp": int(time.time()) + _TOKEN_S,
        }
        return {"Authorization": f"Bearer {jwt.encode(claims, _TOKEN_KEY, algorithm='HS256')}"}


@dataclass(frozen=True, slots=True)
class Ways:
    """The networks between a process and its servers; notices come by one of their own."""

    postgres: Link
    notices: Link
    valkey: Link

    @property
    def all(self) -> tuple[Link, Link, Link]:
        """All of them."""
        return self.postgres, self.notices, self.valkey


@dataclass
class OneProcess:
    """Starts, ends, and starts again with what it wrote down.

    The clock of its machine is off by `off_s`.
    """

    name: str
    folder: Path
    run: Path
    app_url: str
    database_url: str
    ways: Ways
    now_s: Callable[[], float]
    http: aiohttp.ClientSession
    redis_url: str | None = None
    off_s: float = 0.0
    stores: Stores = field(init=False)
    clock: SteadyClock = field(init=False)
    listener: Listener = field(init=False)
    _last_known: LastKnown | None = field(init=False, default=None)
    _port: int = field(init=False, default=0)
    _ending: asyncio.Event = field(init=False)
    _living: asyncio.Task[None] | None = field(init=False, default=None)

    async def start(self) -> None:
        """Serve. The supervisor, which lives on, hands on what it knows of the time."""
        offset_s = self.clock.offset_s if hasattr(self, "clock") else float("-inf")
        self.clock = SteadyClock(offset_s, lambda: self.now_s() + self.off_s, self.now_s)
        self._ending = asyncio.Event()
        served = asyncio.Event()
        self._living = asyncio.create_task(self._live(served), name=self.name)
        waiting = asyncio.create_task(served.wait())
        async with asyncio.timeout(_LIMIT_S):
            await asyncio.wait((self._living, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not served.is_set():
            await self._living

    async def stop(self, *, writes: bool = False) -> None:
        """End: as when killed, or after writing down what is known."""
        if writes:
            await self.write()
        if self._living is not None:
            self._ending.set()
            async with asyncio.timeout(_LIMIT_S):
                await self._living
            self._living = None

    async def write(self) -> None:
        """Write down what is known."""
        if self._last_known is not None:
            await self._last_known.write()

    def written(self) -> dict[str, int]:
        """Return the versions that were written down, by client id."""
        path = self.folder / "last-known" / f"{self.name}.last-known"
        if not path.exists():
            return {}
        records = read_file(path, self.stores.keys.signing).records
        return {record.snapshot.client_id: record.snapshot.version for record in records}

    def crowd_out(self) -> None:
        """Have memory forget every client, as a crowd of others does."""
        for _ in range(2 * _CLIENTS):
            self.stores.memory.put(Snapshot(str(uuid.uuid4()), 0, self.clock()))

    def held(self, client_id: str) -> int | None:
        """Return the version that is in memory."""
        snapshot = self.stores.memory.peek(client_id)
        return None if snapshot is None else snapshot.version

    async def ask(self, visitor: Visitor, path: str = "/") -> tuple[int, str | None]:
        """Return the status that the visitor gets, and the plan that the app was told of."""
        headers = {"Host": HOST, "Accept": "*/*", **visitor.headers()}
        async with (
            asyncio.timeout(_ANSWERS_S),
            self.http.get(f"http://127.0.0.1:{self._port}{path}", headers=headers) as answer,
        ):
            return answer.status, answer.headers.get("X-Told-Plan")

    async def _live(self, served: asyncio.Event) -> None:
        text = _SETTINGS.format(
            clients=_CLIENTS, negative_ttl_s=NEGATIVE_TTL_S, folder=self.folder / "last-known"
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        file = configure(self.folder / "my.yaml", self.app_url, text)
        redis_url = self.redis_url or valkey_through(self.ways.valkey)

        def environment(link: Link) -> dict[str, str]:
            url = postgres_through(link, self.database_url)
            return environment_of(url, self.run) | {"REDIS_URL": redis_url}

        config = load_config(file, environment(self.ways.postgres))
        hearing = load_config(file, environment(self.ways.notices))
        control = self.run / "nobody.sock"
        hurry = asyncio.Event()
        hurry.set()
        async with AsyncExitStack() as stack:
            self.stores = await open_stores(config, self.clock, stack, self.now_s)
            extras = Extras(clock=self.clock)
            front = Front(config, control, extras, self.stores)
            self._last_known = last_known_of(config, self.run, self.name, self.stores, self.clock)
            if self._last_known is not None:
                await self._last_known.start()
            self.listener = listener_of(hearing, self.stores, None)
            gateway = Gateway(front, None, self.listener, {}, None)
            listening = socket.create_server(("127.0.0.1", 0))
            self._port = listening.getsockname()[1]
            async with serving(gateway, [listening], hurry):
                served.set()
                await self._ending.wait()
