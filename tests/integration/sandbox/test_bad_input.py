"""Bad input: told what is wrong, and nothing changed."""

import base64
import json

import pytest

from demo.sandbox.clock import ADVANCE_LIMIT_S
from tests.support.sandbox import API_KEY, MONTH, Sandbox, Shop, make_order, send_raw

_JSON = {"Content-Type": "application/json"}
_KEY = {"Authorization": f"Bearer {API_KEY}"}
_LIMIT_DAYS = ADVANCE_LIMIT_S // 86_400


@pytest.mark.parametrize(
    "body",
    [
        b'{"advance_days": 0}',
        b'{"advance_days": -1}',
        b'{"advance_days": -0.0}',
        b'{"advance_days": 0.000001}',
        b'{"advance_days": NaN}',
        b'{"advance_days": "nan"}',
        b'{"advance_days": Infinity}',
        b'{"advance_days": -Infinity}',
        b'{"advance_days": 1e300}',
        b'{"advance_days": 1e999}',
        b'{"advance_days": %d}' % (_LIMIT_DAYS + 1),
        b'{"advance_days": %b}' % (b"9" * 5000),
        b'{"advance_days": "tomorrow"}',
        b'{"advance_days": ""}',
        b'{"advance_days": null}',
        b'{"advance_days": true}',
        b'{"advance_days": [31]}',
        b'{"advance_days": {}}',
        b"{}",
        b"[]",
        b"[31]",
        b"31",
        b"null",
        b"{",
        b"",
        b"\xff\xfe",
    ],
    ids=lambda body: repr(body[:35]),
)
async def test_wrong_step_is_refused_and_the_clock_stands(sandbox: Sandbox, body: bytes) -> None:
    answer = await sandbox.ask("POST", "/sandbox/clock", data=body, headers=_JSON)

    assert answer.status == 400
    assert "advance_days has to be a number above 0" in answer.json()["error"]
    assert (await sandbox.state())["offset_s"] == 0


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e300", "soon", "", "3661", "9" * 5000])
async def test_wrong_step_in_the_form_is_told_on_a_page(sandbox: Sandbox, text: str) -> None:
    answer = await sandbox.ask("POST", "/sandbox/clock", data={"advance_days": text})

    assert answer.status == 400
    assert "The clock was not moved" in answer.text
    assert (await sandbox.state())["offset_s"] == 0


async def test_clock_does_not_go_further_ahead_than_a_century(sandbox: Sandbox) -> None:
    for _ in range(10):
        await sandbox.advance(_LIMIT_DAYS)

    answer = await sandbox.ask("POST", "/sandbox/clock", data={"advance_days": "1"})

    assert answer.status == 400
    assert (await sandbox.state())["offset_s"] == 10 * ADVANCE_LIMIT_S


async def test_body_that_lies_about_its_letters_is_refused(sandbox: Sandbox) -> None:
    headers = {"Content-Type": "application/json; charset=klingon"}

    answer = await sandbox.ask("POST", "/sandbox/clock", data=b"{}", headers=headers)

    assert answer.status == 400


@pytest.mark.parametrize("origin", ["cross-site", "same-site", "", "made-up"])
@pytest.mark.parametrize("path", ["/sandbox/clock", "/c/pay/cs_test_1", "/v1/customers"])
async def test_form_of_another_site_is_refused(sandbox: Sandbox, path: str, origin: str) -> None:
    headers = {"Sec-Fetch-Site": origin, **_KEY}

    answer = await sandbox.ask("POST", path, data={"advance_days": "1"}, headers=headers)

    assert answer.status == 403
    state = await sandbox.state()
    assert (state["offset_s"], state["customers"]) == (0, 0)


@pytest.mark.parametrize("origin", ["same-origin", "none"])
async def test_form_of_the_sandbox_itself_is_taken(sandbox: Sandbox, origin: str) -> None:
    headers = {"Sec-Fetch-Site": origin}

    answer = await sandbox.ask(
        "POST", "/sandbox/clock", data={"advance_days": "1"}, headers=headers
    )

    assert answer.status == 303


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/v1/", "/v1/coupons", "/v1/customers/cus_1/x", "/v1/%00"])
async def test_unknown_url_is_a_404_of_stripe(sandbox: Sandbox, method: str, path: str) -> None:
    answer = await sandbox.api(method, path)

    error = answer.json()["error"]
    assert answer.status == 404
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith(f"Unrecognized request URL ({method}: /v1/")


_ORDER = {
    "mode": "subscription",
    "line_items[0][price]": MONTH.psp_price_id,
    "line_items[0][quantity]": "1",
    "success_url": "https://shop.example/",
}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"mode": ""}, "mode"),
        ({"mode": "setup"}, "mode"),
        ({"mode": "payment"}, "line_items"),
        ({"line_items[0][price]": ""}, "price"),
        ({"line_items[0][price]": "price_nowhere"}, "line_items[0][price]"),
        ({"line_items[0][quantity]": "0"}, "line_items[0][quantity]"),
        ({"line_items[0][quantity]": "-1"}, "line_items[0][quantity]"),
        ({"line_items[0][quantity]": "1001"}, "line_items[0][quantity]"),
        ({"line_items[0][quantity]": "one"}, "line_items[0][quantity]"),
        ({"line_items[0][quantity]": "9" * 5000}, "line_items[0][quantity]"),
        ({"line_items[0][colour]": "red"}, "line_items[0][colour]"),
        ({"line_items": "x"}, "line_items"),
        ({"success_url": ""}, "success_url"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"success_url": "https://"}, "success_url"),
        ({"cancel_url": "/plans"}, "cancel_url"),
        ({"customer": "cus_nowhere"}, "customer"),
        ({"client_reference_id": "x" * 201}, "client_reference_id"),
        ({"expires_at": "1"}, "expires_at"),
        ({"expires_at": "9" * 18}, "expires_at"),
        ({"metadata[k]": "v" * 501}, "metadata[k]"),
        ({f"metadata[{'k' * 41}]": "v"}, f"metadata[{'k' * 41}]"),
        ({"trial": "1"}, "trial"),
        ({"a[b][c][d][e][f][g]": "1"}, "a[b][c][d][e][f][g]"),
        ({"a]b": "1"}, "a]b"),
        ({"": "1"}, ""),
        ({"expand[]": "a.b.c.d.e"}, "expand"),
        ({"expand[]": "mode"}, "expand"),
        ({"expand": "line_items"}, "expand"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_wrong_parameter_is_a_400_of_stripe_that_names_it(
    sandbox: Sandbox, fields: dict[str, str], param: str
) -> None:
    answer = await sandbox.api("POST", "/v1/checkout/sessions", _ORDER | fields)

    error = answer.json()["error"]
    assert answer.status == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert error["message"]
    assert (await sandbox.state())["sessions"] == 0


@pytest.mark.parametrize("name", [f"line_items[{'9' * 5000}][price]", f"metadata[{'9' * 5000}]"])
async def test_number_of_thousands_of_digits_is_no_fault_of_the_sandbox(
    sandbox: Sandbox, name: str
) -> None:
    answer = await sandbox.api("POST", "/v1/checkout/sessions", _ORDER | {name: "1"})

    assert answer.status == 400


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("starting_after=cus_nowhere", "starting_after"),
        ("ending_before=cus_nowhere", "ending_before"),
        ("created[gt]=now", "created[gt]"),
        ("created[after]=1", "created[after]"),
        ("colour=red", "colour"),
    ],
)
async def test_wrong_filter_is_a_400_of_stripe(sandbox: Sandbox, query: str, param: str) -> None:
    answer = await sandbox.api("GET", f"/v1/customers?{query}")

    assert answer.status == 400
    assert answer.json()["error"]["param"] == param


async def test_body_too_large_is_a_413_in_json(sandbox: Sandbox) -> None:
    answer = await sandbox.api("POST", "/v1/customers", {"description": "x" * 300_000})

    assert answer.status == 413
    assert answer.json()["error"]["message"] == "The body is too large."
    assert (await sandbox.state())["customers"] == 0


async def test_more_fields_than_anybody_needs_are_refused(sandbox: Sandbox) -> None:
    fields = {f"metadata[{number}]": "x" for number in range(1001)}

    answer = await sandbox.api("POST", "/v1/customers", fields)

    assert answer.status == 400
    assert "Too many parameters" in answer.json()["error"]["message"]


async def test_body_that_is_not_utf8_is_a_400(sandbox: Sandbox) -> None:
    answer = await sandbox.ask("POST", "/v1/customers", data=b"name=\xff", headers=_KEY)

    assert answer.status == 400
    assert answer.json()["error"]["message"] == "The body is not UTF-8."


async def test_key_for_repeats_that_is_too_long_is_refused(sandbox: Sandbox) -> None:
    headers = {**_KEY, "Idempotency-Key": "k" * 256}

    answer = await sandbox.ask("POST", "/v1/customers", headers=headers)

    assert answer.status == 400


def _basic(text: bytes) -> bytes:
    return b"Basic " + base64.b64encode(text)


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer sk_test_wrong",
        b"bearer  " + API_KEY.encode(),
        API_KEY.encode(),
        _basic(b":" + API_KEY.encode()),
        _basic(b"\xff"),
        b"Basic !",
        pytest.param("Bearer ä".encode(), id="letters"),
        pytest.param("Basic ä".encode(), id="basic letters"),
        pytest.param(b"Bearer \xff", id="bytes"),
    ],
)
async def test_wrong_key_is_a_401_in_json(sandbox: Sandbox, authorization: bytes) -> None:
    request = b"GET /v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\n\r\n" % authorization

    answer = await send_raw(sandbox.url, request)

    assert answer.status == 401
    assert answer.json()["error"]["message"] == "Invalid API Key provided."


async def test_key_as_user_of_basic_authentication_is_taken(sandbox: Sandbox) -> None:
    headers = {"Authorization": _basic(f"{API_KEY}:".encode()).decode()}

    answer = await sandbox.ask("GET", "/v1/customers", headers=headers)

    assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("/sandbox/customers/cus_nowhere/renewals", 404), ("/sandbox/events/evt_nowhere/resend", 404)],
)
async def test_button_for_something_that_is_not_there_says_so(
    sandbox: Sandbox, path: str, status: int
) -> None:
    answer = await sandbox.ask("POST", path, data={"outcome": "fail"})

    assert answer.status == status


@pytest.mark.parametrize("outcome", ["", "maybe", "FAIL"])
async def test_outcome_of_renewals_is_one_of_two(shop: Shop, outcome: str) -> None:
    sub_id = await shop.subscribe()
    customer = (await shop.stripe.fetch_subscription(sub_id)).psp_customer_id

    path = f"/sandbox/customers/{customer}/renewals"
    answer = await shop.sandbox.ask("POST", path, data={"outcome": outcome})

    assert answer.status == 400


async def test_form_without_its_boundary_is_refused(shop: Shop) -> None:
    checkout = await shop.stripe.create_checkout(make_order())
    headers = {"Content-Type": "multipart/form-data"}

    answer = await shop.sandbox.ask("POST", checkout.url or "", data=b"x", headers=headers)

    assert 400 <= answer.status < 500
    assert (await shop.sandbox.state())["payments"] == 0


async def test_sandbox_is_healthy_after_nonsense(sandbox: Sandbox) -> None:
    await sandbox.ask("POST", "/sandbox/clock", data=b"\xff" * 1000, headers=_JSON)

    answer = await sandbox.ask("GET", "/healthz")

    assert json.loads(answer.text) == {"status": "ok", "dead": []}
