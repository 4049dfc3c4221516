from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.audit.chain import ALL_CHAINS, GENESIS, Entry, chain_of, encode, hash_of
from billing.audit.impersonal import impersonal

_KEY = b"k" * 32
_ENTRY = Entry(
    chain=3,
    position=7,
    key_id="k1",
    prev_hash=GENESIS,
    seq=41,
    at=datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
    actor="webhook",
    action="order.paid",
    client_id="6a0f2c0e-0000-4000-8000-000000000002",
    before=None,
    after='{"a": 1}',
    cause_inbox_id=5,
    cause_request_id=None,
)
_CHANGES: list[dict[str, Any]] = [
    {"chain": 4},
    {"position": 8},
    {"key_id": "k2"},
    {"prev_hash": b"\1" * 32},
    {"seq": 42},
    {"at": _ENTRY.at + timedelta(microseconds=1)},
    {"actor": "webhook2"},
    {"action": "order.lost"},
    {"client_id": None},
    {"before": ""},
    {"after": '{"a": 2}'},
    {"cause_inbox_id": None},
    {"cause_request_id": ""},
]
_text = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


def test_the_encoding_is_what_the_documentation_says() -> None:
    told = encode(_ENTRY)

    assert told.startswith(b"tollway audit 1\n\1\0\0\0\0\0\0\0\0013\1\0\0\0\0\0\0\0\0017\1")
    assert told.endswith(b"\1\0\0\0\0\0\0\0\0015\0")
    assert b"\1\0\0\0\0\0\0\0\0201767268800123456\1" in told


@pytest.mark.parametrize("change", _CHANGES, ids=lambda change: next(iter(change)))
def test_every_field_is_covered_by_the_hash(change: dict[str, Any]) -> None:
    assert hash_of(replace(_ENTRY, **change), _KEY) != hash_of(_ENTRY, _KEY)


def test_no_field_is_left_out_of_the_table_above() -> None:
    assert [next(iter(change)) for change in _CHANGES] == [field.name for field in fields(Entry)]


@given(one=st.tuples(_text, _text, _text, _text), other=st.tuples(_text, _text, _text, _text))
def test_no_two_rows_have_the_same_bytes(
    one: tuple[Any, Any, Any, Any], other: tuple[Any, Any, Any, Any]
) -> None:
    names = ("actor", "action", "before", "after")
    first, second = (
        replace(_ENTRY, **dict(zip(names, values, strict=True))) for values in (one, other)
    )

    assert (encode(first) == encode(second)) == (one == other)


def test_another_key_gives_another_hash() -> None:
    assert hash_of(_ENTRY, b"x" * 32) != hash_of(_ENTRY, _KEY)


@given(client_id=st.uuids(version=4))
def test_a_client_has_one_chain_and_never_that_of_nobody(client_id: object) -> None:
    assert chain_of(str(client_id)) in ALL_CHAINS
    assert chain_of(str(client_id)) != chain_of(None)


def test_personal_data_is_masked_at_any_depth() -> None:
    told = impersonal(
        {
            "email": "ann@example.com",
            "status": "active",
            "note": "asked by ann@example.com twice",
            "customer": {"customer_name": "Ann", "id": "cus_1"},
            "lines": [{"phone": "1"}, "b@c.de"],
            "amount_minor": 500,
            "card": None,
        }
    )

    assert told == {
        "email": "…",
        "status": "active",
        "note": "asked by … twice",
        "customer": {"customer_name": "…", "id": "cus_1"},
        "lines": [{"phone": "…"}, "…"],
        "amount_minor": 500,
        "card": None,
    }
    assert impersonal(None) is None
