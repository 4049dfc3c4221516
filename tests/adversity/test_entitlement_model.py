"""Whatever breaks: nobody is let in past what was paid, refused out of ignorance, or taken back.

Random histories of clients who pay, end, are barred and freed, while Postgres, Valkey, the
networks to them and the clocks fail one process or all, notices come twice and late, and
processes die and start anew with what they wrote down. After every step every process is asked
about every client, and each answer is held against the list of what was committed
(`tests/support/entitlement_truth.py`). Once all is mended, every process has to agree with it
within the promised time. `TOLLWAY_FUZZ=n` tries n times as many.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing.entitlements.shared import Shared
from tests.support.one_process import OneProcess
from tests.support.own_servers import OwnServers
from tests.support.tally import TALLY, HistoryTally
from tests.support.troubled import World, open_world
from tests.support.troubles import NETWORKS, NOTICES, POSTGRES, VALKEY, Trouble, Troubles

_T = TypeVar("_T")
Change = tuple[str, str, float]
"""Who changes, how, and for how many seconds where that is paid for."""

_FACTOR = int(os.environ.get("TOLLWAY_FUZZ", "1"))
_HISTORIES = 9
_STEPS = 20
# Many times what they need on a quiet machine.
_LIMIT_S = 600
_MOST_PROCESSES = 3
_CLIENTS = {"ann": "session", "bea": "token", "cid": "session"}
_NAMES = st.sampled_from([*_CLIENTS])
_INDEX = st.integers(0, _MOST_PROCESSES - 1)
_PAID_S = st.sampled_from([5, 20, 40, 600, 86_400])
_CHANGES = st.tuples(_NAMES, st.sampled_from(["pay", "pay", "end", "bar or free"]), _PAID_S)
# Each passes one of the spans that mean something: what was tried in vain is tried again, facts
# are too old to refuse by, deaf ears have nothing fresh any more, all is read anew.
_PASSING_S = st.sampled_from([0.5, 1.25, 3, 6, 31, 61, 400])
_STEPS_OF_CLOCKS_S = st.sampled_from([-7200, -40, -1, 1, 40, 7200])


@dataclass
class Stage:
    """What all histories share."""

    runner: asyncio.Runner
    servers: OwnServers
    folder: Path
    run: Path
    tally: HistoryTally
    numbers: Iterator[int]
    failures: list[str] = field(default_factory=list)


class Entitlements(RuleBasedStateMachine):
    """One history."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.tally = stage.tally
        self.story: list[str] = []
        self.stack = AsyncExitStack()
        self.late: dict[str, Shared | None] = {}
        self.clients: dict[str, str] = {}
        self.world: World = self.run(self._open(next(stage.numbers)))
        self.troubles = Troubles(self.world)

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        try:
            return self.stage.runner.run(coroutine)
        except BaseException as error:
            # Servers and networks are real, so that the same steps may fail once and not again.
            self.stage.failures.append(f"{error!r} after {'; '.join(self.story)}")
            raise

    async def _open(self, number: int) -> World:
        stage = self.stage
        folder = stage.folder / str(number)
        world = await self.stack.enter_async_context(
            open_world(stage.servers, folder, stage.run, processes=1)
        )
        for name, by in _CLIENTS.items():
            self.clients[name] = f"{name}-{number}"
            await world.admit(self.clients[name], by)
        return world

    def process(self, index: int) -> OneProcess:
        return self.world.processes[index % len(self.world.processes)]

    @initialize(paid=st.tuples(*[_PAID_S] * len(_CLIENTS)), another=st.booleans())
    def begin(self, paid: tuple[float, ...], *, another: bool) -> None:
        if another:
            self.run(self.world.add_process())
            self.run(self.world.settle())
        for name, seconds in zip(self.clients.values(), paid, strict=True):
            self.run(self.world.pay(name, seconds))

    @precondition(lambda self: self.troubles.can_commit)
    @rule(change=_CHANGES)
    def change(self, change: Change) -> None:
        self._change(change)

    @precondition(lambda self: self.troubles.can_commit)
    @rule(change=_CHANGES)
    def change_while_being_asked(self, change: Change) -> None:
        """Let notices come while facts are read."""
        processes = self.world.processes
        for process in processes:
            self.world.crowd_out(process)
        askers = [self.world.check(p, self.clients[change[0]]) for p in processes * 4]
        self.run(_together(*askers, self._changing(change)))

    @rule(index=_INDEX)
    def crowd_out(self, index: int) -> None:
        """Let a process have forgotten everybody, who is found in Valkey then or in Postgres."""
        process = self.process(index)
        self._note("crowds", f"{process.name} forgets all")
        self.world.crowd_out(process)

    @rule(seconds=_PASSING_S)
    def let_time_pass(self, seconds: float) -> None:
        self._note("moments", f"{seconds} s pass")
        self.world.move(seconds)

    @rule(trouble=st.sampled_from(POSTGRES), index=_INDEX, change=_CHANGES, seconds=_PASSING_S)
    def break_postgres(self, trouble: Trouble, index: int, change: Change, seconds: float) -> None:
        self._break(trouble, index, change, seconds)

    @rule(trouble=st.sampled_from(VALKEY), index=_INDEX, change=_CHANGES, seconds=_PASSING_S)
    def break_valkey(self, trouble: Trouble, index: int, change: Change, seconds: float) -> None:
        self._break(trouble, index, change, seconds)

    @rule(trouble=st.sampled_from(NETWORKS), index=_INDEX, change=_CHANGES, seconds=_PASSING_S)
    def break_network(self, trouble: Trouble, index: int, change: Change, seconds: float) -> None:
        self._break(trouble, index, change, seconds)

    @rule(trouble=st.sampled_from(NOTICES), index=_INDEX, change=_CHANGES, seconds=_PASSING_S)
    def break_way_of_notices(
        self, trouble: Trouble, index: int, change: Change, seconds: float
    ) -> None:
        self._break(trouble, index, change, seconds)

    @rule()
    def mend(self) -> None:
        self._note("recoveries", "all is mended")
        self.run(self.troubles.mend())

    @precondition(lambda self: self.troubles.can_commit)
    @rule(name=_NAMES, ago=st.integers(0, 3))
    def tell_again(self, name: str, ago: int) -> None:
        """Let a notice come twice, after later ones as well."""
        client = self.clients[name]
        version = max(0, self.world.truth.newest_version(client) - ago)
        self._note("notices twice or late", f"{name}: {version} is told again")
        self.run(self.world.notify(client, version))

    @rule(name=_NAMES, index=_INDEX, what=st.sampled_from(["read", "put", "lag"]))
    def leave_in_valkey(self, name: str, index: int, what: str) -> None:
        """Let somebody fill Valkey with what they read long ago, or a copy of it begin to lag."""
        process, client_id = self.process(index), self.world.ids[self.clients[name]]
        self._note("late fillings of Valkey", f"{what} {name} by {process.name}")
        if what == "lag":
            self.run(self.troubles.save_valkey(process))
        elif what == "read":
            self.late[name] = self.run(process.stores.shared.find(client_id))
        elif (found := self.late.get(name)) is not None:
            self.run(process.stores.shared.put(found.snapshot, found.as_of))

    @rule(index=_INDEX, how=st.sampled_from(["writes", "ends", "is killed", "another"]))
    def restart(self, index: int, how: str) -> None:
        process = self.process(index)
        self._note("restarts", f"{process.name}: {how}")
        if how == "writes":
            self.run(process.write())
        elif how == "another" and len(self.world.processes) < _MOST_PROCESSES:
            self.run(self.world.add_process())
        else:
            self.run(self.world.restart(process, writes=how == "ends"))

    @rule(index=_INDEX, seconds=_STEPS_OF_CLOCKS_S)
    def step_clock(self, index: int, seconds: float) -> None:
        process = self.process(index)
        self._note("steps of clocks", f"{process.name}: by {seconds} s")
        process.off_s += seconds

    @invariant()
    def keep_the_rules(self) -> None:
        """Ask every process about every client."""
        self.tally.add("steps")
        self.run(self.world.check_all())

    def teardown(self) -> None:
        try:
            self.run(self.troubles.mend())
            self.tally.add("answers", self.world.asked)
            self.tally.add("histories")
        finally:
            self.run(self._close())

    async def _close(self) -> None:
        # Of a history that failed, whatever is broken must not break the next.
        await self.troubles.repair()
        await self.stack.aclose()

    def _break(self, trouble: Trouble, index: int, change: Change, seconds: float) -> None:
        """Break something, let a client change and time pass, so that it makes a difference."""
        process = self.process(index)
        self._note("faults", f"{trouble} ({process.name})")
        self.tally.add(f"times {trouble}")
        self.run(self.troubles.begin(trouble, process))
        if self.troubles.can_commit:
            self._change(change)
        self.keep_the_rules()
        self.let_time_pass(seconds)

    def _change(self, change: Change) -> None:
        self.run(self._changing(change))

    def _changing(self, change: Change) -> Coroutine[Any, Any, None]:
        name, what, seconds = change
        client, world = self.clients[name], self.world
        self._note("changes", f"{name}: {what} {seconds}")
        match what:
            case "pay":
                return world.pay(client, seconds)
            case "end":
                return world.end(client)
            case _:
                return world.bar(client, is_barred=not world.truth.newest(client).is_barred)

    def _note(self, what: str, told: str) -> None:
        self.tally.add(what)
        self.story.append(told)


async def _together(*doing: Coroutine[Any, Any, object]) -> None:
    await asyncio.gather(*doing)


@pytest.mark.timeout(_LIMIT_S * _FACTOR)
def test_no_fault_breaks_the_three_rules(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    tally = HistoryTally()
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="run-") as run:
        servers = runner.run(OwnServers.start(tmp_path, Path(run)))
        stage = Stage(runner, servers, tmp_path, Path(run), tally, count())
        try:
            run_state_machine_as_test(
                lambda: Entitlements(stage),  # type: ignore[arg-type] # any callable that makes one will do
                settings=settings(
                    max_examples=_HISTORIES * _FACTOR,
                    stateful_step_count=_STEPS,
                    deadline=None,
                    phases=[Phase.generate],
                    report_multiple_bugs=False,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        except Exception as error:
            error.add_note("\n".join(stage.failures))
            raise
        finally:
            runner.run(servers.stop())
    record_property(TALLY, str(tally))
