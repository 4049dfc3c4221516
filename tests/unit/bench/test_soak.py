"""What is made of a soak: growth, timeline, picture."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from bench.result import Machine, Section
from bench.soak.clients import told_by
from bench.soak.growth import Sample, grown, more_tasks
from bench.soak.plot import draw
from bench.soak.result import SoakResult, broken_of, memory_of, timeline_of
from bench.trouble.verdicts import Answer, Outage, Seen

_SVG = "{http://www.w3.org/2000/svg}"
_MACHINE = Machine(
    cpu="one", cores=2, pinned=True, memory_gb=8, kernel="6", python="3.13", versions={}
)


def samples(memory_mb: list[float], files: int = 10) -> list[Sample]:
    return [Sample(1000.0 + number, mb, files) for number, mb in enumerate(memory_mb)]


def test_what_a_process_takes_in_at_first_is_no_growth() -> None:
    warming, flat = [50.0 + number for number in range(30)], [80.0] * 60

    assert grown({1: samples(warming + flat)}) == (0.0, 0.0)


def test_the_process_that_grows_most_is_told() -> None:
    flat, growing = [80.0] * 90, [80.0] * 30 + [80.0 + number for number in range(60)]

    memory_mb, _ = grown({1: samples(flat), 2: samples(growing)})

    assert memory_mb == 40.0


def test_a_process_that_did_not_live_long_enough_tells_nothing() -> None:
    assert grown({1: samples([float(number) for number in range(50)])}) == (0.0, 0.0)


def test_tasks_that_only_grow_are_told() -> None:
    tasks = {"worker-1": [10, 12, 11, 10, 12, 11], "worker-2": [10, 10, 20, 20, 40, 40]}

    assert more_tasks(tasks) == 30.0


def test_answers_are_told_second_by_second() -> None:
    seen = [
        Seen(1, 100.0, 100.1, Answer.ALLOWED),
        Seen(2, 100.0, 100.9, Answer.ALLOWED),
        Seen(3, 101.0, 101.5, Answer.UNPAID),
        Seen(4, 200.0, 200.0, Answer.BROKEN),
    ]

    timeline = timeline_of(seen, 100.0, 2.0)

    assert [second.answers for second in timeline] == [
        {Answer.ALLOWED: 2},
        {Answer.UNPAID: 1},
        {},
    ]


def test_the_picture_shows_every_second_trouble_and_process() -> None:
    seen = [Seen(1, 100.0 + number, 100.0 + number, Answer.ALLOWED) for number in range(60)]
    outages = [Outage("Valkey <hangs>", 110.0, 112.0, frozenset())]
    memory = {7: [Sample(100.0, 80.0, 9), Sample(101.0, 82.0, 9)]}
    result = SoakResult(
        at=datetime.now(UTC),
        seed=1,
        seconds=60.0,
        machine=_MACHINE,
        section=Section(name="soak", title="Soak", how="at length"),
        faults=(),
        timeline=timeline_of(seen, 100.0, 60.0),
        broken=broken_of(outages, 100.0),
        memory=memory_of(memory, 100.0),
    )

    picture = ET.fromstring(draw(result))  # noqa: S314 - our own

    rectangles = [each.get("class") for each in picture.iter(f"{_SVG}rect")]
    assert rectangles.count("allowed") == 60 + 1  # and one in the legend
    assert rectangles.count("trouble") == 1
    assert len(list(picture.iter(f"{_SVG}polyline"))) == 1
    assert "Valkey <hangs>" in [each.text for each in picture.iter(f"{_SVG}text")]


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (4402, Answer.ENDED),
        (1013, Answer.UNAVAILABLE),
        *((code, Answer.BROKEN) for code in (1000, 1001, 1006, 1011, 4401)),
    ],
)
def test_no_way_in_which_a_socket_is_closed_goes_unjudged(code: int, answer: Answer) -> None:
    assert told_by(code) is answer
