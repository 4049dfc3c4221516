"""Plans, entitlements, grants and blocks."""

from typing import Any

import pytest

from tests.integration.api.conftest import Desk


async def verdict_of(desk: Desk, client_id: str, app_id: str = "notes") -> dict[str, Any]:
    told = await desk.ask("GET", f"/clients/{client_id}/entitlements?app={app_id}")
    (only,) = told.json["decisions"]
    return dict(only)


async def test_plans_are_told_as_they_are_sold(desk: Desk) -> None:
    everything = await desk.ask("GET", "/plans")
    one = await desk.ask("GET", "/plans/team")

    assert [plan["id"] for plan in everything.json["items"]] == [
        *("reader", "team", "gold", "wiki", "lifetime"),
    ]
    assert one.json == everything.json["items"][1]
    assert {feature["app_id"] for feature in one.json["features"]} == {"notes", "wiki"}


async def test_what_is_bought_given_and_barred_is_told_as_the_gate_decides(desk: Desk) -> None:
    client_id = await desk.add_client()
    path = f"/clients/{client_id}"
    before = await verdict_of(desk, client_id)
    given = await desk.ask("POST", f"{path}/grants", {"app_id": "notes", "reason": "a gift"})
    during = await verdict_of(desk, client_id)
    barred = await desk.ask("POST", f"{path}/blocks", {"reason": "fraud", "service": "fraud"})
    under = await verdict_of(desk, client_id)
    await desk.ask("DELETE", f"/blocks/{barred.json['id']}?reason=mistake")
    ended = await desk.ask("DELETE", f"/grants/{given.json['id']}?reason=over")
    after = await verdict_of(desk, client_id)

    assert (before["outcome"], before["reason"]) == ("pay", "no_grant")
    assert (during["outcome"], during["reason"]) == ("allow", "grant_live")
    assert during["features"] == {"access": True}
    assert (under["outcome"], under["reason"]) == ("forbid", "blocked")
    assert ended.json["ended_at"] is not None
    assert (after["outcome"], after["reason"]) == ("pay", "grant_ended")


async def test_what_was_ended_is_still_told(desk: Desk) -> None:
    client_id = await desk.add_client()
    path = f"/clients/{client_id}"
    grant = await desk.ask("POST", f"{path}/grants", {"app_id": "notes", "reason": "a gift"})
    block = await desk.ask("POST", f"{path}/blocks", {"reason": "fraud"})
    await desk.ask("DELETE", f"/grants/{grant.json['id']}?reason=over")
    await desk.ask("DELETE", f"/blocks/{block.json['id']}?reason=over")

    grants = await desk.ask("GET", f"{path}/grants")
    blocks = await desk.ask("GET", f"{path}/blocks")

    assert [g["id"] for g in grants.json["items"]] == [grant.json["id"]]
    assert [b["id"] for b in blocks.json["items"]] == [block.json["id"]]
    assert blocks.json["items"][0]["until_at"] is not None


async def test_why_a_client_was_barred_is_told_to_operators_only(desk: Desk) -> None:
    client_id = await desk.add_client()
    await desk.ask("POST", f"/clients/{client_id}/blocks", {"reason": "three stolen cards"})

    told = await desk.ask("GET", f"/clients/{client_id}/entitlements")

    assert len(told.json["blocks"]) == 1
    assert "stolen" not in told.text


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"app_id": "games"}, 422),
        ({"app_id": "notes", "feature": "gold"}, 422),
        ({"app_id": "notes", "until_at": "2020-01-01T00:00:00Z"}, 409),
        ({"app_id": "notes"}, 422),
    ],
)
async def test_what_cannot_be_given_is_refused(
    desk: Desk, wish: dict[str, str], status: int
) -> None:
    client_id = await desk.add_client()
    reason = {} if wish == {"app_id": "notes"} else {"reason": "r"}

    told = await desk.ask("POST", f"/clients/{client_id}/grants", wish | reason)

    assert told.status == status


async def test_a_grant_ends_when_it_was_to_end(desk: Desk) -> None:
    client_id = await desk.add_client()
    wish = {"app_id": "notes", "until_at": "2026-12-01T12:05:00+00:00", "reason": "r"}
    await desk.ask("POST", f"/clients/{client_id}/grants", wish)

    now = await verdict_of(desk, client_id)
    desk.clock.move(minutes=5)
    later = await verdict_of(desk, client_id)

    assert now["valid_until"] == "2026-12-01T12:05:00Z"
    assert (now["outcome"], later["outcome"]) == ("allow", "pay")


async def test_an_app_that_is_not_there_has_no_entitlements(desk: Desk) -> None:
    client_id = await desk.add_client()

    told = await desk.ask("GET", f"/clients/{client_id}/entitlements?app=games")

    assert told.status == 422
