from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.api.models.access import GiveGrant
from billing.api.models.money import EndQuery, PaymentQuery, StartPayment
from billing.api.problems import (
    INVALID,
    NOT_ACCEPTABLE,
    UNKNOWN_FORM,
    UNREADABLE,
    ApiProblem,
    ProblemError,
)
from billing.api.reading import check_accept, check_form, read_body, read_key, read_query

ID = "6f1c2a54-0b3e-4b8e-9d0a-2f9f3a1f7c11"
GOOD = f'{{"client_id": "{ID}", "plan": "team"}}'


def refusal(act: Callable[[], object]) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        act()
    return caught.value


def outcome(act: Callable[[], object]) -> ApiProblem | None:
    try:
        act()
    except ProblemError as error:
        return error.problem
    return None


def test_a_good_body_is_read() -> None:
    body = read_body(StartPayment, GOOD.encode())

    assert isinstance(body, StartPayment)
    assert (body.client_id, body.plan, body.quantity) == (ID, "team", 1)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(b"", UNREADABLE, id="nothing"),
        pytest.param(b"{", UNREADABLE, id="half an object"),
        pytest.param(b"[]", UNREADABLE, id="a list"),
        pytest.param(b"null", UNREADABLE, id="null"),
        pytest.param(b"\xef\xbb\xbf{}", UNREADABLE, id="a byte order mark"),
        pytest.param(b'{"plan": "\xff"}', UNREADABLE, id="no UTF-8"),
        pytest.param(b'{"plan": "\\ud800"}', UNREADABLE, id="half a character"),
        pytest.param(
            GOOD.replace('"plan"', '"plan": "a", "plan"').encode(), UNREADABLE, id="twice"
        ),
        pytest.param(b'{"quantity": NaN}', UNREADABLE, id="NaN"),
        pytest.param(b'{"quantity": -Infinity}', UNREADABLE, id="Infinity"),
        pytest.param(b'{"quantity": 1' + b"0" * 5000 + b"}", UNREADABLE, id="a number of 5000"),
        pytest.param(b'{"plan": ' + b"[" * 60_000, UNREADABLE, id="deep"),
        pytest.param(b'{"plan": ' + b"[" * 900 + b"]" * 900 + b"}", UNREADABLE, id="nested"),
        pytest.param(b'{"plan": [["team"]]}', INVALID, id="a list of lists"),
        pytest.param(GOOD.encode() + b"{}", UNREADABLE, id="two objects"),
        pytest.param(GOOD.replace("plan", "Plan").encode(), INVALID, id="a field misspelt"),
        pytest.param(GOOD.replace("team", "te\\u0000am").encode(), INVALID, id="a zero"),
        pytest.param(GOOD.replace("}", ', "quantity": "2"}').encode(), INVALID, id="in quotes"),
        pytest.param(GOOD.replace("}", ', "quantity": true}').encode(), INVALID, id="true"),
        pytest.param(GOOD.replace("}", ', "quantity": 1.5}').encode(), INVALID, id="a fraction"),
        pytest.param(GOOD.replace("}", ', "quantity": 0}').encode(), INVALID, id="none"),
        pytest.param(GOOD.replace(ID, ID.upper()).encode(), INVALID, id="an id in capitals"),
        pytest.param(GOOD.replace(ID, ID + "\\n").encode(), INVALID, id="an id and a line end"),
    ],
)
def test_a_body_that_can_be_doubted_is_refused(body: bytes, problem: ApiProblem) -> None:
    assert refusal(lambda: read_body(StartPayment, body)).problem is problem


def test_what_is_wrong_with_a_field_is_told_with_a_pointer_to_it() -> None:
    body = f'{{"client_id": "{ID}", "plan": "team", "a/b~c": 1}}'.encode()

    told = refusal(lambda: read_body(StartPayment, body)).errors

    assert [error.pointer for error in told] == ["/a~1b~0c"]


def test_the_callers_own_text_is_not_told_back_at_length() -> None:
    body = f'{{"client_id": "{ID}", "plan": "team", "{"x" * 5000}": 1}}'.encode()

    (told,) = refusal(lambda: read_body(StartPayment, body)).errors

    assert len(str(told.pointer)) < 80


def test_a_whole_number_may_be_written_with_a_point() -> None:
    body = read_body(StartPayment, GOOD.replace("}", ', "quantity": 5.0}').encode())

    assert isinstance(body, StartPayment)
    assert body.quantity == 5


@pytest.mark.parametrize(("text", "value"), [("true", True), ("7", 7), ('"gold"', "gold")])
def test_a_grants_value_is_what_it_was_written_as(text: str, value: object) -> None:
    body = f'{{"app_id": "notes", "value": {text}, "reason": "r"}}'.encode()

    read = read_body(GiveGrant, body)

    assert isinstance(read, GiveGrant)
    assert read.value == value
    assert type(read.value) is type(value)


@pytest.mark.parametrize("instant", ["2026-12-01T12:00:00", "2026-12-01", "1764590400", "now"])
def test_an_instant_without_its_zone_is_refused(instant: str) -> None:
    body = f'{{"app_id": "notes", "until_at": "{instant}", "reason": "r"}}'.encode()

    (told,) = refusal(lambda: read_body(GiveGrant, body)).errors

    assert told.pointer == "/until_at"


def test_an_instant_that_utc_has_not_is_refused() -> None:
    body = b'{"app_id": "notes", "until_at": "0001-01-01T00:00:00+14:00", "reason": "r"}'

    assert refusal(lambda: read_body(GiveGrant, body)).problem is INVALID


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    assert outcome(lambda: read_body(StartPayment, body)) in {None, UNREADABLE, INVALID}


def test_a_query_is_read() -> None:
    query = read_query(PaymentQuery, f"limit=5&client_id={ID}")

    assert isinstance(query, PaymentQuery)
    assert (query.limit, query.client_id, query.cursor) == (5, ID, None)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("limit=5&limit=6", UNREADABLE),
        ("limit", UNREADABLE),
        ("limit=%ff", UNREADABLE),
        ("&".join(f"p{i}=1" for i in range(30)), UNREADABLE),
        ("limit=", INVALID),
        ("limit=0", INVALID),
        ("limit=101", INVALID),
        ("limit=1_0", INVALID),
        ("limit=+5", INVALID),
        ("limit=5.0", INVALID),
        ("limit=%D9%A5", INVALID),
        ("cursor=%00", INVALID),
        ("page=2", INVALID),
        ("Limit=5", INVALID),
        ("client_id=null", INVALID),
    ],
)
def test_a_query_that_can_be_doubted_is_refused(query: str, problem: ApiProblem) -> None:
    assert refusal(lambda: read_query(PaymentQuery, query)).problem is problem


@pytest.mark.parametrize("word", ["1", "yes", "True", "", "on"])
def test_a_flag_is_true_or_false_and_nothing_else(word: str) -> None:
    assert refusal(lambda: read_query(EndQuery, f"at_period_end={word}")).problem is INVALID


@given(st.text(max_size=100))
def test_any_query_is_read_or_refused(query: str) -> None:
    assert outcome(lambda: read_query(PaymentQuery, query)) in {None, UNREADABLE, INVALID}


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("*/*",),
        ("application/json",),
        ("APPLICATION/*;q=0.1",),
        ("text/html, application/json;q=0.9",),
        ("text/html", "*/*;q=0.5"),
        ("*/*;q=0, application/json",),
    ],
)
def test_who_takes_json_is_answered(fields: tuple[str, ...]) -> None:
    check_accept(fields)


@pytest.mark.parametrize(
    "fields",
    [
        ("text/html",),
        ("",),
        ("application/xml, text/*",),
        ("application/json;q=0, */*",),
        ("application/json;q=x",),
    ],
)
def test_who_takes_no_json_is_told_so(fields: tuple[str, ...]) -> None:
    assert refusal(lambda: check_accept(fields)).problem is NOT_ACCEPTABLE


@pytest.mark.parametrize("form", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_is_read(form: str) -> None:
    check_form(form, "")


@pytest.mark.parametrize(
    ("form", "coding"),
    [
        ("", ""),
        ("text/plain", ""),
        ("application/json; charset=latin1", ""),
        ("application/merge-patch+json", ""),
        ("application/x-www-form-urlencoded", ""),
        ("application/json", "gzip"),
    ],
)
def test_another_form_is_not_read(form: str, coding: str) -> None:
    assert refusal(lambda: check_form(form, coding)).problem is UNKNOWN_FORM


@pytest.mark.parametrize("key", ["a", "k" * 200, "6f1c2a54-0b3e", "!~"])
def test_a_key_is_any_visible_text(key: str) -> None:
    assert read_key((key,)) == key


def test_no_key_is_none() -> None:
    assert read_key(()) is None


@pytest.mark.parametrize("fields", [("",), ("k" * 201,), ("a b",), ("ä",), ("a", "a"), ("a\0",)])
def test_a_key_that_can_be_doubted_is_refused(fields: tuple[str, ...]) -> None:
    assert refusal(lambda: read_key(fields)).problem is UNREADABLE
