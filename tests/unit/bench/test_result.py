"""The result as JSON, and as the page that is made of it."""

import io
import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from bench.errors import BenchError
from bench.page import PROXY, WEBHOOKS, chart_of, renewed, write_chart, write_page
from bench.report import print_result
from bench.result import Result
from tests.support.measured import make_result, make_stack

RESULT = make_result(make_stack("tollway", 60, 62, 66), make_stack("nginx-auth", 40, 41, 42))
PAGE = f"# Performance\n\nBefore.\n\n{PROXY.begin}\nold figures\n{PROXY.end}\n\nAfter.\n"


def test_what_is_written_reads_the_same() -> None:
    assert Result.model_validate_json(RESULT.model_dump_json()) == RESULT


def test_json_holds_every_round_and_what_was_missing() -> None:
    written = json.loads(RESULT.model_dump_json())

    stack = written["requests"]["stacks"][0]
    assert [sample["cpu_s"] for sample in stack["samples"]] == [0.06, 0.062, 0.066]
    assert written["requests"]["missing"][0]["why"] == "Envoy is not installed"
    assert written["format"] == 1


@pytest.mark.parametrize("fault", ['{"format": 1}', "[]", "no json"])
def test_what_is_no_result_is_refused(fault: str) -> None:
    with pytest.raises(ValidationError):
        Result.model_validate_json(fault)


def test_an_unknown_field_is_refused() -> None:
    written = json.loads(RESULT.model_dump_json()) | {"fast": True}

    with pytest.raises(ValidationError, match="fast"):
        Result.model_validate(written)


def test_the_page_keeps_what_people_wrote_and_drops_old_figures() -> None:
    text = renewed(PAGE, RESULT, PROXY)

    assert text.startswith("# Performance\n\nBefore.\n")
    assert text.endswith(f"{PROXY.end}\n\nAfter.\n")
    assert "old figures" not in text
    assert "| tollway | something | 62 (60" in text
    assert "| nginx-auth | 1.51 (1.50" in text
    assert "floor missed, 51% over target" in text
    assert "Envoy is not installed" in text
    assert "| memory of one | 12.0 (12.0" in text
    assert "Not measured: there are none." in text


def test_each_part_of_the_page_has_marks_of_its_own() -> None:
    page = f"{PAGE}\n{WEBHOOKS.begin}\nold webhooks\n{WEBHOOKS.end}\n"

    text = renewed(page, RESULT, WEBHOOKS)

    assert "old figures" in text
    assert "old webhooks" not in text
    assert "`./tollway bench webhooks`" in text


def test_renewing_twice_changes_nothing_more() -> None:
    once = renewed(PAGE, RESULT, PROXY)

    assert renewed(once, RESULT, PROXY) == once


@pytest.mark.parametrize("page", ["", f"{PROXY.begin}\n", f"{PROXY.end}\n{PROXY.begin}\n"])
def test_a_page_without_its_marks_is_left_alone(tmp_path: Path, page: str) -> None:
    (tmp_path / "performance.md").write_text(page)

    with pytest.raises(BenchError, match="has no line"):
        write_page(RESULT, tmp_path, PROXY)

    assert (tmp_path / "performance.md").read_text() == page


@pytest.mark.parametrize(("load", "is_busy"), [(None, False), (0.4, False), (0.6, True)])
def test_a_machine_that_was_busy_is_told(load: float | None, is_busy: bool) -> None:
    machine = RESULT.machine.model_copy(update={"load": load})
    result = RESULT.model_copy(update={"machine": machine})

    assert ("busy with something else" in renewed(PAGE, result, PROXY)) is is_busy


def test_page_and_chart_are_written_together(tmp_path: Path) -> None:
    (tmp_path / "performance.md").write_text(PAGE)

    write_page(RESULT, tmp_path, PROXY)

    assert (tmp_path / "performance.md").read_text() == renewed(PAGE, RESULT, PROXY)
    assert RESULT.requests is not None
    chart = chart_of(RESULT.requests, RESULT.machine)
    assert (tmp_path / "performance.svg").read_text() == chart


def test_a_chart_of_nothing_is_an_error_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="was not measured"):
        write_chart(RESULT.model_copy(update={"requests": None}), tmp_path / "chart.svg")

    assert list(tmp_path.iterdir()) == []


def test_the_terminal_shows_the_same_verdicts() -> None:
    console = Console(width=120, record=True, file=io.StringIO(), no_color=True)

    print_result(console, RESULT)

    text = console.export_text()
    assert "floor missed, 51% over target" in text
    assert "Envoy: not measured, Envoy is not installed" in text
    assert "not measured: there are none" in text
