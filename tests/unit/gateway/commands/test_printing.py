"""What commands print as JSON is what the API would say."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.commands.printing import to_json

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
