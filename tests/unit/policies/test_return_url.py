"""Return targets: only what we signed, only for a while, and only to our own hosts."""

import base64
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.return_url import (
    MAX_TARGET_CHARS,
    BadTarget,
    ReturnTarget,
    is_local_path,
    sign_target,
    verify_target,
)
from tests.support.snapshots import NOW

KEY = b"k" * 32
TARGET = ReturnTarget("notes.localhost", "/page?x=1&y=%20", "notes", "access", "c-1", "f" * 64)
UNTIL = NOW + timedelta(hours=1)

LEADING_AWAY = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nSet-Cookie: a=b",
    "https://evil.example",
    "javascript:alert(1)",
    "evil.example",
    "",
    " /",
    "/ä",
    "/\x00",
    "/a b",
]


def test_signed_target_comes_back_whole() -> None:
    text = sign_target(TARGET, KEY, UNTIL)

    assert verify_target(text, KEY, NOW) == TARGET


def test_target_ends_at_its_instant() -> None:
    text = sign_target(TARGET, KEY, UNTIL)

    assert verify_target(text, KEY, UNTIL) == BadTarget("expired")


def test_target_of_another_key_is_refused() -> None:
    text = sign_target(TARGET, b"x" * 32, UNTIL)

    assert verify_target(text, KEY, NOW) == BadTarget("signature does not match")


@pytest.mark.parametrize("target", LEADING_AWAY)
def test_target_that_leads_away_is_not_signed(target: str) -> None:
    with pytest.raises(ValueError, match="local path"):
        sign_target(ReturnTarget("notes.localhost", target, "notes", "access"), KEY, UNTIL)


def test_target_that_fits_no_header_is_not_signed() -> None:
    target = ReturnTarget("notes.localhost", "/" + "a" * MAX_TARGET_CHARS, "notes", "access")

    with pytest.raises(ValueError, match="local path"):
        sign_target(target, KEY, UNTIL)


def test_facts_that_were_exchanged_are_refused() -> None:
    raw = base64.urlsafe_b64decode(sign_target(TARGET, KEY, UNTIL) + "===")
    facts = json.loads(raw[32:]) | {"host": "evil.example"}
    forged = base64.urlsafe_b64encode(raw[:32] + json.dumps(facts).encode()).decode().rstrip("=")

    assert verify_target(forged, KEY, NOW) == BadTarget("signature does not match")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_refused(place: int, change: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(sign_target(TARGET, KEY, UNTIL) + "==="))
    raw[place % len(raw)] ^= change
    forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")

    assert isinstance(verify_target(forged, KEY, NOW), BadTarget)


@given(st.text(max_size=300))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    assert isinstance(verify_target(text, KEY, NOW), BadTarget)


def test_endless_text_is_refused_unread() -> None:
    assert verify_target("A" * (4 * MAX_TARGET_CHARS + 1), KEY, NOW) == BadTarget("too long")


@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=40))
def test_local_path_begins_with_one_slash_and_holds_printable_ascii(text: str) -> None:
    if is_local_path(text):
        assert text[0] == "/"
        assert text[1:2] != "/"
        assert "\\" not in text
        assert all("!" <= c <= "~" for c in text)
