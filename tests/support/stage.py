"""One gate and one app that speaks bytes, for many visits; after each, nothing may be left."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.settings import ProxySettings
from tests.support.gate import Running, run_gate
from tests.support.leaks import until
from tests.support.raw import LIMIT_S, Peer, RawApp, Script, raw_visitor, run_raw_app


@dataclass
class Stage:
    """`seen` is what each connection of the app saw of the visit before, in order."""

    gate: Running = field(repr=False)
    app: RawApp = field(repr=False)
    seen: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def visit(self, pieces: Iterable[bytes]) -> AsyncIterator[Peer]:
        """Send what there is to send, and end every connection after that."""
        async with raw_visitor(self.gate.port) as visitor:
            with suppress(ConnectionError):  # The gate may have heard enough.
                for piece in pieces:
                    await visitor.send(piece)
                    await asyncio.sleep(0)
            yield visitor
        await self._clear()

    async def _clear(self) -> None:
        # The app hangs up, so that no byte can still be on its way to it.
        for peer in self.app.peers:
            peer.end()
        await until(lambda: all(map(_has_ended, self.app.peers)), limit_s=LIMIT_S)
        upstream = self.gate.upstream
        await until(
            lambda: not (self.gate.server.connections or upstream.busy or upstream.idle),
            limit_s=LIMIT_S,
        )
        for peer in self.app.peers:
            await peer.close()
        self.seen = [bytes(peer.received) for peer in self.app.peers]
        failures = list(self.app.failures)
        self.app.peers.clear()
        self.app.failures.clear()
        self.gate.lines.clear()
        assert not failures


def _has_ended(peer: Peer) -> bool:
    return peer.reader.at_eof() or peer.reader.exception() is not None


@asynccontextmanager
async def set_stage(folder: Path, script: Script) -> AsyncIterator[Stage]:
    """Run an app by `script` and the gate before it."""

    def change(settings: ProxySettings) -> ProxySettings:
        return replace(settings, connect_timeout_s=LIMIT_S, first_byte_timeout_s=LIMIT_S)

    async with (
        run_raw_app(script) as app,
        run_gate(folder, upstreams=(app.url,), change=change) as gate,
    ):
        yield Stage(gate, app)
