"""What commands print: JSON as the API would say it, tables whole and no wider than needed."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from rich.table import Table

from gateway.commands.printing import print_whole, to_json

_CET = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("instant", "told"),
    [
        (datetime(2026, 12, 2, 9, 0, tzinfo=UTC), "2026-12-02T09:00:00Z"),
        (datetime(2026, 12, 2, 10, 0, tzinfo=_CET), "2026-12-02T09:00:00Z"),
        (datetime(2026, 12, 2, 9, 0, 0, 5, tzinfo=UTC), "2026-12-02T09:00:00.000005Z"),
    ],
)
def test_an_instant_has_its_zone_however_deep_it_stands(instant: datetime, told: str) -> None:
    assert json.loads(to_json({"rows": [{"at": instant}]})) == {"rows": [{"at": told}]}


def test_what_has_no_form_in_json_is_not_made_up() -> None:
    with pytest.raises(TypeError, match="bytes"):
        to_json({"hash": b"x"})


def test_a_long_cell_leaves_other_lines_short(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name", "change", box=None)
    table.add_row("ann", "x" * 3000)
    table.add_row("bob", "")

    print_whole(table)

    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("x" * 3000)
    assert lines[2].strip() == "bob"
    assert len(lines[2]) < 10
