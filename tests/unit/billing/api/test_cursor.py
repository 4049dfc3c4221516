from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.api.cursor import read_id, read_number, read_text, write_number, write_text
from billing.api.lists import cut, next_url_of
from billing.api.models.money import PaymentQuery
from billing.api.problems import IMPOSSIBLE, ProblemError

ID = "6f1c2a54-0b3e-4b8e-9d0a-2f9f3a1f7c11"


def test_a_list_begins_without_a_cursor() -> None:
    assert (read_text(None), read_id(None), read_number(None)) == (None, None, None)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_number_comes_back_from_its_cursor(number: int) -> None:
    assert read_number(write_number(number)) == number


@given(st.text(alphabet=st.characters(max_codepoint=0x7E, min_codepoint=0x21), max_size=60))
def test_a_place_comes_back_from_its_cursor(place: str) -> None:
    assert read_text(write_text(place)) == place


@pytest.mark.parametrize(
    ("read", "cursor"),
    [
        (read_text, "A"),
        (read_text, "_w"),
        (read_text, "MR"),
        (read_number, write_text("-1")),
        (read_number, write_text(str(2**63))),
        (read_number, write_text("")),
        (read_number, write_text(ID)),
        (read_id, write_text("1")),
        (read_id, write_text(ID.upper())),
    ],
)
def test_a_cursor_of_nobodys_making_is_refused(read: Callable[[str], object], cursor: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read(cursor)

    assert caught.value.problem is IMPOSSIBLE


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_refused(cursor: str) -> None:
    for read in (read_text, read_id, read_number):
        try:
            read(cursor)
        except ProblemError:
            continue


@pytest.mark.parametrize(
    ("rows", "kept", "cursor"), [([], [], None), ([3, 2], [3, 2], None), ([3, 2, 1], [3, 2], "2")]
)
def test_a_list_ends_where_no_more_follows(
    rows: list[int], kept: list[int], cursor: str | None
) -> None:
    assert cut(rows, 2, str) == (kept, cursor)


def test_the_next_part_is_asked_for_as_this_one_was() -> None:
    query = PaymentQuery(client_id=ID, limit=5)

    url = next_url_of("https://pay.example.com/payments", query, "abc")

    assert url is not None
    path, _, asked = url.partition("?")
    assert path == "https://pay.example.com/payments"
    assert parse_qs(asked) == {"client_id": [ID], "limit": ["5"], "cursor": ["abc"]}


def test_the_last_part_leads_nowhere() -> None:
    assert next_url_of("https://pay.example.com/payments", PaymentQuery(), None) is None
