"""Every error is a problem document, and tells nothing of the inside."""

import asyncio
import json

import pytest

from billing.api import problems as api_problems
from proxy import problems
from tests.integration.api.conftest import PUBLIC_URL, Desk, Told


def name_of(told: Told) -> str:
    assert told.headers["Content-Type"].startswith("application/problem+json"), told.text
    assert told.headers["Cache-Control"] == "no-store"
    assert told.json["status"] == told.status
    assert told.json["request_id"]
    prefix = f"{PUBLIC_URL}/problems/"
    assert told.json["type"].startswith(prefix)
    return str(told.json["type"].removeprefix(prefix))


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "name"),
    [
        ("GET", "/nowhere", {}, 404, "no-such-path"),
        ("GET", "/payments/", {}, 404, "no-such-path"),
        ("PUT", "/payments", {}, 405, "wrong-method"),
        ("OPTIONS", "/payments", {}, 405, "wrong-method"),
        ("GET", "/payments", {"Accept": "text/csv"}, 406, "not-acceptable"),
        ("GET", "/payments?page=2", {}, 422, "invalid"),
        ("GET", "/payments?limit=1&limit=2", {}, 400, "unreadable"),
        ("GET", "/payments?cursor=AAAA", {}, 422, "impossible"),
        ("GET", "/clients?cursor=AAAA", {}, 422, "impossible"),
        ("GET", "/events?cursor=AAAA", {}, 422, "impossible"),
        ("GET", "/payments/1", {}, 404, "no-such-thing"),
        ("GET", "/payments/6f1c2a54-0b3e-4b8e-9d0a-2f9f3a1f7c11", {}, 404, "no-such-thing"),
        ("GET", "/plans/..%2f", {}, 404, "no-such-thing"),
        ("GET", "/plans/silver", {}, 404, "no-such-thing"),
        ("GET", "/events/0", {}, 404, "no-such-thing"),
        ("GET", "/events/99999999999999999999", {}, 404, "no-such-thing"),
    ],
)
async def test_what_cannot_be_answered_is_told_as_a_problem(
    desk: Desk, method: str, path: str, headers: dict[str, str], status: int, name: str
) -> None:
    told = await desk.ask(method, path, **headers)

    assert (told.status, name_of(told)) == (status, name)


@pytest.mark.parametrize("path", ["/plans", "/nowhere", "/problems/invalid"])
async def test_an_answer_names_no_version_of_what_is_beneath(desk: Desk, path: str) -> None:
    told = await desk.ask("GET", path)

    assert told.headers["Server"] == "tollway"


async def test_a_method_that_a_path_does_not_take_is_told_with_those_that_it_takes(
    desk: Desk,
) -> None:
    told = await desk.ask("DELETE", "/payments")

    assert told.headers["Allow"] == "GET, HEAD, POST"


async def test_a_person_with_a_browser_gets_no_problem_document(desk: Desk) -> None:
    told = await desk.ask("GET", "/nowhere", Accept="text/html,*/*;q=0.8")

    assert told.status == 404
    assert "json" not in told.headers["Content-Type"]


@pytest.mark.parametrize(
    ("body", "form", "status", "name"),
    [
        (b"{", "application/json", 400, "unreadable"),
        (b"{}", "application/json", 422, "invalid"),
        (b"{}", "text/plain", 415, "unknown-form"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "unknown-form"),
        (b"x" * 65_537, "application/json", 413, "body-too-large"),
    ],
)
async def test_a_body_that_is_not_taken_is_told_as_a_problem(
    desk: Desk, body: bytes, form: str, status: int, name: str
) -> None:
    async with desk.session.post(
        f"{desk.url}/payments",
        data=body,
        headers={"Content-Type": form, "Authorization": f"Bearer {desk.token}"},
    ) as answer:
        text = await answer.text()

    told = Told(answer.status, answer.headers, text, json.loads(text))
    assert (told.status, name_of(told)) == (status, name)


async def test_each_wrong_field_is_told_at_once(desk: Desk) -> None:
    told = await desk.ask("POST", "/payments", {"plan": 1, "quantity": 0, "nonsense": True})

    found = {error["pointer"] for error in told.json["errors"]}
    assert found == {"/client_id", "/plan", "/quantity", "/nonsense"}


async def test_a_problem_names_the_request_as_the_gateway_does(desk: Desk) -> None:
    told = await desk.ask("GET", "/plans/silver", X_Request_Id="abc-123")

    assert told.json["request_id"] == "abc-123"


async def test_what_is_no_request_id_is_not_repeated(desk: Desk) -> None:
    told = await desk.ask("GET", "/plans/silver", X_Request_Id="<b>" * 10)

    assert "<" not in told.json["request_id"]


@pytest.mark.parametrize("path", ["/payments", "/plans", "/openapi.json", "/audit"])
async def test_nothing_answers_without_a_token(desk: Desk, path: str) -> None:
    told = await desk.ask("GET", path, token="")

    assert (told.status, name_of(told)) == (401, "token-needed")
    assert told.headers["WWW-Authenticate"] == 'Bearer realm="tollway"'


async def test_a_bad_token_is_refused_before_anything_is_read(desk: Desk) -> None:
    told = await desk.ask("POST", "/payments", {"nonsense": 1}, token="nonsense")

    assert (told.status, name_of(told)) == (401, "token-refused")
    assert 'error="invalid_token"' in told.headers["WWW-Authenticate"]


async def test_a_provider_that_does_not_answer_is_a_time_to_try_again(desk: Desk) -> None:
    client_id = await desk.add_client()
    desk.provider.is_down = True

    told = await desk.ask("POST", "/payments", {"client_id": client_id, "plan": "reader"})

    assert (told.status, name_of(told)) == (503, "try-again")
    assert int(told.headers["Retry-After"]) > 0
    assert "down" not in told.text


async def test_what_a_provider_said_stays_inside(desk: Desk) -> None:
    client_id = await desk.add_client()
    desk.provider.is_garbled = True

    told = await desk.ask("POST", "/payments", {"client_id": client_id, "plan": "reader"})

    assert (told.status, name_of(told)) == (409, "provider-refused")
    assert "unreadable" not in told.text.replace("/unreadable", "")


async def test_a_database_that_is_gone_is_a_time_to_try_again(desk: Desk) -> None:
    async with asyncio.timeout(30):
        await desk.database.close()

        told = await desk.ask("GET", "/plans")

    assert (told.status, name_of(told)) == (503, "try-again")


async def test_every_problem_has_a_page_that_tells_what_to_do(desk: Desk) -> None:
    for problem in api_problems.ALL:
        told = await desk.ask("GET", f"/problems/{problem.name}", token="")
        assert told.status == 200
        assert problem.meaning in told.text


def test_no_two_problems_share_a_name() -> None:
    names = [problem.name for problem in (*problems.ALL, *api_problems.ALL)]

    assert len(names) == len(set(names))
