"""`GET /metrics`: for admins with its scope, in the form that Prometheus reads."""

import pytest

from policies.permission import SCOPES, Role
from tests.integration.api.conftest import Desk


async def test_an_admin_with_the_scope_reads_the_numbers(desk: Desk) -> None:
    token = await desk.token_of(Role.ADMIN, "prometheus", frozenset({"metrics:read"}))

    told = await desk.ask("GET", "/metrics", token=token)

    assert told.status == 200
    assert told.headers["Content-Type"].startswith("text/plain; version=")
    assert 'tollway_inbox{state="dead"} 0.0' in told.text
    assert 'tollway_alarms_total{alarm="unknown_price"} 0.0' in told.text
    assert 'tollway_provider_calls_total{outcome="failed"} 0.0' in told.text
    assert "tollway_provider_shut_out 0.0" in told.text


async def test_without_a_token_no_number_is_told(desk: Desk) -> None:
    told = await desk.ask("GET", "/metrics", token="")

    assert told.status == 401
    assert told.json["type"].endswith("/problems/token-needed")


@pytest.mark.parametrize(
    ("role", "scopes"), [(Role.APP, None), (Role.ADMIN, SCOPES - {"metrics:read"})]
)
async def test_numbers_are_for_admins_with_the_scope_alone(
    desk: Desk, role: Role, scopes: frozenset[str] | None
) -> None:
    token = await desk.token_of(role, "notes", scopes)

    told = await desk.ask("GET", "/metrics", token=token, X_Request_Id="0123456789abcdef")

    assert told.status == 403
    assert "tollway_" not in told.text
    async with desk.database.connection() as connection:
        (denied,) = await connection.fetch(
            "select after ->> 'action', cause_request_id from audit where action = 'access.denied'"
        )
    assert tuple(denied) == ("metrics:read", "0123456789abcdef")
