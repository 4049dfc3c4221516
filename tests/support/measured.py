"""Results of a benchmark, made by hand."""

from datetime import UTC, datetime

from bench.requests import ratios_of
from bench.result import (
    Machine,
    Missing,
    Requests,
    Result,
    Sample,
    Section,
    StackFigures,
    judged,
)
from bench.stats import spread_of
from bench.targets import SOCKET_KB


def make_stack(name: str, *cpu_us: float, title: str = "") -> StackFigures:
    """Return a stack that used so much CPU for each of a thousand requests, round by round."""
    samples = tuple(Sample(requests=1000, seconds=1.0, cpu_s=us / 1000) for us in cpu_us)
    return StackFigures(
        name=name,
        title=title or name,
        does="something",
        samples=samples,
        cpu_us=spread_of([sample.cpu_us for sample in samples]),
        per_s=spread_of([sample.per_s for sample in samples]),
    )


def make_result(*stacks: StackFigures) -> Result:
    """Return a whole result with the stacks, one that is missing, and a section."""
    return Result(
        at=datetime(2026, 11, 25, tzinfo=UTC),
        quick=False,
        machine=Machine(
            cpu="A & B <CPU>",
            cores=2,
            pinned=True,
            memory_gb=8.0,
            kernel="6.1",
            python="3.11.7",
            versions={"aiohttp": "3.14.5", "uvloop": "0.23.0", "nginx": "1.22.1"},
        ),
        requests=Requests(
            connections=64,
            rounds=len(stacks[0].samples),
            round_s=1.0,
            stacks=stacks,
            missing=(Missing(name="envoy", title="Envoy", why="Envoy is not installed"),),
            ratios=ratios_of(stacks),
        ),
        sections=(
            Section(
                name="websockets",
                title="Idle WebSockets",
                how="10 open",
                figures=(judged("memory of one", "KB", spread_of([12.0]), SOCKET_KB),),
            ),
            Section(name="workers", title="Two workers", how="", missing="there are none"),
        ),
    )
