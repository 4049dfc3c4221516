import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.crypto.keyring import KeyRing, key_id_of, new_key
from billing.errors import DamagedError, KeyRingError, UnknownKeyError
from tests.support.keys import DATA_KEY, OTHER_KEY, RING

_CONTEXT = "clients.email_enc.1"


@given(text=st.binary(max_size=300), context=st.text(max_size=50))
def test_what_was_sealed_opens_at_its_place(text: bytes, context: str) -> None:
    assert RING.open(RING.seal(text, context), context) == text


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert RING.seal(b"ann", _CONTEXT) != RING.seal(b"ann", _CONTEXT)


def test_a_sealed_value_does_not_hold_its_text() -> None:
    assert b"ann@example.com" not in RING.seal(b"ann@example.com", _CONTEXT)


def test_a_sealed_value_does_not_open_in_another_row() -> None:
    sealed = RING.seal(b"ann", "clients.email_enc.1")

    with pytest.raises(DamagedError):
        RING.open(sealed, "clients.email_enc.2")


@given(data=st.data())
def test_any_changed_bit_is_found(data: st.DataObject) -> None:
    sealed = bytearray(RING.seal(b"ann", _CONTEXT))
    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[at // 8] ^= 1 << at % 8

    with pytest.raises((DamagedError, UnknownKeyError)):
        RING.open(bytes(sealed), _CONTEXT)


@given(garbage=st.binary(max_size=60))
def test_what_was_never_sealed_is_damaged(garbage: bytes) -> None:
    with pytest.raises((DamagedError, UnknownKeyError)):
        RING.open(garbage, _CONTEXT)


def test_a_newer_key_seals_and_the_older_one_still_opens() -> None:
    old = RING.seal(b"ann", _CONTEXT)
    rotated = KeyRing.of([OTHER_KEY, DATA_KEY])

    assert rotated.open(old, _CONTEXT) == b"ann"
    assert key_id_of(rotated.seal(b"ann", _CONTEXT)) == "other"


def test_a_value_of_a_key_that_is_gone_says_which() -> None:
    sealed = KeyRing.of([OTHER_KEY]).seal(b"ann", _CONTEXT)

    with pytest.raises(UnknownKeyError, match="'other'"):
        RING.open(sealed, _CONTEXT)


def test_another_key_of_the_same_id_does_not_open() -> None:
    sealed = RING.seal(b"ann", _CONTEXT)
    impostor = KeyRing.of([f"test:{base64.b64encode(b'x' * 32).decode()}"])

    with pytest.raises(DamagedError):
        impostor.open(sealed, _CONTEXT)


def test_an_index_is_the_same_each_time_and_differs_by_place_and_key() -> None:
    rotated = KeyRing.of([OTHER_KEY, DATA_KEY])

    assert RING.index(b"ann", "a") == RING.index(b"ann", "a")
    assert RING.index(b"ann", "a") != RING.index(b"ann", "b")
    assert rotated.index(b"ann", "a") != RING.index(b"ann", "a")
    assert RING.index(b"ann", "a") in rotated.indexes(b"ann", "a")


def test_the_purposes_of_a_key_have_nothing_in_common() -> None:
    assert RING.audit_keys["test"] not in {b"k" * 32, RING.index(b"", "")}
    assert list(RING.audit_keys) == ["test"]


def test_no_key_is_shown() -> None:
    told = f"{RING!r} {RING} {RING._first!r}"

    assert DATA_KEY.partition(":")[2] not in told
    assert "test" in told


def test_a_new_key_is_one_and_no_two_are_alike() -> None:
    assert KeyRing.of([new_key("a-1")]).key_id == "a-1"
    assert new_key("a") != new_key("a")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "no key"),
        (["swordfish"], "id:base64"),
        (["A:" + DATA_KEY.partition(":")[2]], "1 to 16"),
        (["a" * 17 + ":" + DATA_KEY.partition(":")[2]], "1 to 16"),
        (["a:swordfish!"], "base64"),
        (["a:c3dvcmRmaXNo"], "9 bytes"),
        ([DATA_KEY, DATA_KEY], "same id"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_showing_them(
    keys: list[str], message: str
) -> None:
    with pytest.raises(KeyRingError, match=message) as caught:
        KeyRing.of(keys)

    assert "swordfish" not in str(caught.value)
    assert DATA_KEY.partition(":")[2] not in str(caught.value)
