"""Bad input to the sandbox: told in Stripe's own shape, or on a page, and nothing is changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from demo.sandbox.catalog import read_catalog
from tests.support.sandbox import Sandbox


@pytest.mark.parametrize("value", [0, -1, "NaN", "inf", 1e9, "soon", None, [], ""])
async def test_step_of_the_clock_that_is_none_is_refused_and_moves_nothing(
    sandbox: Sandbox, value: object
) -> None:
    async with sandbox.http.post(
        f"{sandbox.url}/sandbox/clock", json={"advance_days": value}
    ) as answer:
        told = await answer.json()

    _, now = await sandbox.call("GET", "/sandbox/clock")
    assert answer.status == 400
    assert "advance_days" in told["error"]
    assert now["offset_s"] == 0


@pytest.mark.parametrize("body", ["", "{", "[]", "1"])
async def test_step_that_is_no_json_is_refused(sandbox: Sandbox, body: str) -> None:
    async with sandbox.http.post(
        f"{sandbox.url}/sandbox/clock", data=body, headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_page_of_another_site_cannot_move_the_clock(sandbox: Sandbox, site: str) -> None:
    status, _ = await sandbox.post("/sandbox/clock", {"advance_days": "1"}, Sec_Fetch_Site=site)

    _, now = await sandbox.call("GET", "/sandbox/clock")
    assert (status, now["offset_s"]) == (403, 0)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/v1/nothing", "", 404, "Unrecognized request URL"),
        ("GET", "/v1/subscriptions/sub_x", "", 404, "No such subscription"),
        ("POST", "/v1/checkout/sessions", "", 400, "mode"),
        ("POST", "/v1/checkout/sessions", "mode=gift", 400, "mode"),
        ("POST", "/v1/checkout/sessions", "novel=1", 400, "unknown parameter"),
        ("POST", "/v1/checkout/sessions", "a[b[c]=1", 400, "Invalid parameter name"),
        ("POST", "/v1/checkout/sessions", "mode[a][b]=1&mode=x", 400, "value and as hash"),
        ("POST", "/v1/customers", "metadata[" + "k" * 41 + "]=1", 400, "Metadata"),
        ("GET", "/v1/subscriptions?limit=x", "", 400, "Invalid integer"),
        ("GET", "/v1/subscriptions?limit=0", "", 400, "limit"),
        ("GET", "/v1/subscriptions?expand[]=data.nothing.x", "", 200, ""),
        ("POST", "/v1/customers", "x" * 300_000, 413, "too large"),
    ],
)
async def test_call_that_is_wrong_is_told_in_stripes_shape(
    sandbox: Sandbox, method: str, path: str, body: str, status: int, words: str
) -> None:
    got, told = await sandbox.call(method, path, body)

    assert got == status, told
    if status != 200:
        assert told["error"]["type"] == "invalid_request_error"
        assert words.lower() in told["error"]["message"].lower()


async def test_call_without_a_key_is_refused(sandbox: Sandbox) -> None:
    async with sandbox.http.get(f"{sandbox.url}/v1/events") as answer:
        told = await answer.json()

    assert answer.status == 401
    assert "error" in told


@pytest.mark.parametrize("path", ["/c/pay/cs_unknown", "/c/pay/%3Cscript%3E"])
async def test_page_that_is_not_there_says_so(sandbox: Sandbox, path: str) -> None:
    async with sandbox.http.get(f"{sandbox.url}{path}") as answer:
        text = await answer.text()

    assert answer.status == 404
    assert "<script" not in text


ENTRY: dict[str, Any] = {
    "price_id": "price_1",
    "product_id": "prod_1",
    "name": "Reader",
    "amount_minor": 500,
    "currency": "eur",
    "interval": "month",
}


@pytest.mark.parametrize(
    ("catalog", "words"),
    [
        ("{", "JSON"),
        ({}, "array"),
        ([1], "0"),
        ([ENTRY, {**ENTRY, "amount_minor": -1}], "1.amount_minor"),
        ([{**ENTRY, "amount_minor": 5.5}], "0.amount_minor"),
        ([{**ENTRY, "amount_minor": True}], "0.amount_minor"),
        ([{**ENTRY, "currency": "EUR"}], "0.currency"),
        ([{**ENTRY, "interval": "decade"}], "0.interval"),
        ([{**ENTRY, "price_id": "a b"}], "0.price_id"),
        ([{**ENTRY, "novel": 1}], "0.novel"),
        ([{k: v for k, v in ENTRY.items() if k != "name"}], "0.name"),
    ],
)
def test_catalog_that_is_wrong_is_told_with_the_entry_at_fault(
    tmp_path: Path, catalog: object, words: str
) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(catalog if isinstance(catalog, str) else json.dumps(catalog))

    with pytest.raises(ValueError, match=words):
        read_catalog(file)
