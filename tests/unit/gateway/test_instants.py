"""The instants that operators write."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from gateway.clock import wall
from gateway.commands.instants import find_instant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-12-01T12:00Z", datetime(2026, 12, 1, 12, tzinfo=UTC)),
        ("2026-12-01T12:00", datetime(2026, 12, 1, 12, tzinfo=UTC)),
        ("2026-12-01 12:00:30", datetime(2026, 12, 1, 12, 0, 30, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        # As the clock on the operator's wall has it: read as UTC it would be hours off.
        ("2026-12-01T12:00+05:00", datetime(2026, 12, 1, 7, tzinfo=UTC)),
    ],
)
def test_a_date_is_taken_in_its_zone_and_else_in_utc(text: str, meant: datetime) -> None:
    assert find_instant(text) == meant


@pytest.mark.parametrize(
    ("text", "ago"),
    [("90m", timedelta(minutes=90)), ("24h", timedelta(hours=24)), ("7d", timedelta(days=7))],
)
def test_a_span_is_counted_back_from_now(text: str, ago: timedelta) -> None:
    before = wall() - ago

    found = find_instant(text)

    assert found is not None
    assert before <= found <= wall() - ago


@pytest.mark.parametrize("text", ["", "yesterday", "d", "-7d", "7w", "2026-13-01", "99999999999d"])
def test_what_is_no_time_ends_the_command_with_a_line(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        find_instant(text)

    assert capsys.readouterr().err.startswith(f"tollway: {text!r} is no time: ")


def test_nothing_said_is_no_limit() -> None:
    assert find_instant(None) is None
