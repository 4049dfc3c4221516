"""Autobahn's test suite finds no fault with the gate, whichever side of it the suite is on.

On the other side is one of two that echo: the suite's own, which is without fault by itself,
or that of `websockets`, whose faults are in a table here and stay what they are without a gate.

A choice of the cases runs by default, all of them with `TOLLWAY_AUTOBAHN=all`; where the suite
is not at hand they are skipped (docs/testing.md).
"""

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import pytest

from policies.requirement import Access, Requirement
from proxy.settings import App, ProxySettings, Route
from tests.support import autobahn
from tests.support.autobahn import Outcome, Report
from tests.support.gate import run_gate
from tests.support.leaks import no_leaks

_ALL: Final = os.environ.get("TOLLWAY_AUTOBAHN") == "all"

# A test with all cases takes the better part of an hour.
pytestmark = pytest.mark.timeout(3 * 3600 if _ALL else 120)

if autobahn.WSTEST is None:
    pytest.skip(
        "no Autobahn test suite here: docs/testing.md tells how to install it",
        allow_module_level=True,
    )

# Payloads are not the gate's business: of UTF-8 (6), size (9) and compression (12, 13; a case
# is a thousand messages) there are some that are soon over. 5.19 and 5.20 wait for a second.
_QUICK: Final = (
    *("1.*", "2.*", "3.*", "4.*", *(f"5.{case}" for case in range(1, 19)), "7.*", "10.*"),
    *("6.1.*", "6.2.*", "6.3.*", "6.12.*", "9.1.3", "9.4.5", "13.3.3"),
)
_CASES: Final = ("*",) if _ALL else _QUICK

_ANSWERS_AT_ONCE: Final = "answers a close frame before the messages in front of it"
_COUNTS_FRAGMENTS: Final = "takes 4,096 fragments a message, if it is not told otherwise"
_WAITS_FOR_TEXTS: Final = "looks at a text when all of it is there"
_FAULTS: Final = {
    **dict.fromkeys(("3.2", "3.3", "3.4", "5.15"), _ANSWERS_AT_ONCE),
    **dict.fromkeys(("4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5"), _ANSWERS_AT_ONCE),
    **dict.fromkeys(("6.4.1", "6.4.2", "6.4.3", "6.4.4"), _WAITS_FOR_TEXTS),
    "7.1.5": "takes a close frame within a message for an error",
    **dict.fromkeys(("9.3.1", "9.3.2", "9.3.3", "9.4.1", "9.4.2", "9.4.3"), _COUNTS_FRAGMENTS),
}
"""The cases in which the suite finds fault with `websockets`, gate or no gate, and why."""

# Whether the answer to a message is early enough is chance: two tasks of theirs run a race.
_BY_CHANCE: Final = {case for case, why in _FAULTS.items() if why == _ANSWERS_AT_ONCE}
_LATE: Final = Outcome("NON-STRICT", "OK")

Play: TypeAlias = Callable[[Sequence[str], Path, bool], Awaitable[Report]]
"""Plays cases, with a gate in between or without."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def _before(port: int, with_gate: bool) -> AsyncIterator[str]:
    """Give the URL of a gate that lets everybody through to the port, or of the port itself."""
    if not with_gate:
        yield f"ws://127.0.0.1:{port}"
        return
    upstreams = (f"http://127.0.0.1:{port}",)
    with TemporaryDirectory() as folder:
        async with (
            run_gate(Path(folder), upstreams=upstreams, dress=_let_in, change=_wait) as gate,
            no_leaks(gate),
        ):
            yield f"ws://127.0.0.1:{gate.port}"


def _let_in(app: App) -> App:
    # The suite names the address that it connects to, and can show nothing of a client.
    routes = (Route("/", Requirement(app.id, Access.PUBLIC)),)
    return replace(app, host="127.0.0.1", routes=routes)


def _wait(settings: ProxySettings) -> ProxySettings:
    # The suite's server makes all frames of a case before it sends its 101.
    return replace(settings, first_byte_timeout_s=60.0)


async def client_to_own_echo(cases: Sequence[str], folder: Path, with_gate: bool) -> Report:
    async with (
        autobahn.run_suites_echo(folder / "echo") as port,
        _before(port, with_gate) as url,
    ):
        return await autobahn.fuzz_server(url, cases, folder)


async def client_to_websockets(cases: Sequence[str], folder: Path, with_gate: bool) -> Report:
    async with autobahn.run_echo() as port, _before(port, with_gate) as url:
        return await autobahn.fuzz_server(url, cases, folder)


async def own_echo_to_server(cases: Sequence[str], folder: Path, with_gate: bool) -> Report:
    async with (
        autobahn.run_fuzzing_server(cases, folder) as port,
        _before(port, with_gate) as url,
    ):
        return await autobahn.fuzz_suites_client(url, folder)


async def websockets_to_server(cases: Sequence[str], folder: Path, with_gate: bool) -> Report:
    async with (
        autobahn.run_fuzzing_server(cases, folder) as port,
        _before(port, with_gate) as url,
    ):
        return await autobahn.fuzz_client(url, folder)


async def find_faults(
    play: Play, cases: Sequence[str], folder: Path, *, with_gate: bool = True
) -> Report:
    """Play cases and return what the suite finds fault with; the log tells of all."""
    report = await play(cases, folder, with_gate)
    faults = {case: outcome for case, outcome in report.items() if not outcome.is_good}
    way = "through the gate" if with_gate else "directly"
    _log.info("%s %s: %s (%s)", play.__name__, way, autobahn.count(report), ", ".join(faults))
    return faults


async def find_lasting_faults(play: Play, folder: Path, known: Collection[str] = ()) -> Report:
    """Play all cases through the gate; what is not known is a fault if it is there twice.

    Most cases give the peer a second: that a busy machine takes longer is no fault of its.
    """
    faults = await find_faults(play, _CASES, folder / "first")
    new = sorted(faults.keys() - known)
    lasting = await find_faults(play, new, folder / "second") if new else {}
    return {case: outcome for case, outcome in faults.items() if case in known} | lasting


@pytest.mark.parametrize("play", [client_to_own_echo, own_echo_to_server])
async def test_suite_finds_no_fault_with_the_gate(play: Play, tmp_path: Path) -> None:
    assert await find_lasting_faults(play, tmp_path) == {}


@pytest.mark.parametrize("play", [client_to_websockets, websockets_to_server])
async def test_suite_finds_websockets_as_they_are_without_the_gate(
    play: Play, tmp_path: Path
) -> None:
    faults = await find_lasting_faults(play, tmp_path, _FAULTS)
    assert faults.keys() <= _FAULTS.keys()

    alone = await find_faults(play, sorted(faults), tmp_path / "alone", with_gate=False)

    for case, outcome in faults.items():
        assert outcome == (_LATE if case in _BY_CHANCE else alone[case]), case
