import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.oauth.claims import UnbelievableError, check_times, scopes_in, text_in

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
NOW_S = NOW.timestamp()


@pytest.mark.parametrize(
    ("claims", "is_good"),
    [
        ({"exp": NOW_S + 1}, True),
        ({"exp": int(NOW_S) + 1, "iat": int(NOW_S), "nbf": int(NOW_S)}, True),
        ({"exp": NOW_S - 29}, True),
        ({"exp": NOW_S - 30}, False),
        ({"exp": NOW_S + 60, "iat": NOW_S + 30}, True),
        ({"exp": NOW_S + 60, "iat": NOW_S + 31}, False),
        ({"exp": NOW_S + 60, "nbf": NOW_S + 31}, False),
        ({}, False),
        ({"exp": None}, False),
        ({"exp": True}, False),
        ({"exp": str(NOW_S + 60)}, False),
        ({"exp": math.nan}, False),
        ({"exp": math.inf}, False),
        ({"exp": 10**400}, False),
        ({"exp": [NOW_S + 60]}, False),
        ({"exp": NOW_S + 60, "nbf": math.nan}, False),
        ({"exp": NOW_S + 60, "iat": "yesterday"}, False),
    ],
)
def test_a_token_holds_between_its_times(claims: dict[str, Any], *, is_good: bool) -> None:
    if is_good:
        assert check_times(claims, NOW) == claims["exp"]
        return
    with pytest.raises(UnbelievableError):
        check_times(claims, NOW)


@given(
    st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "scope", "sub"]), st.from_type(object))
)
def test_no_claim_of_any_kind_breaks_the_reading(claims: dict[str, Any]) -> None:
    scopes_in(claims)
    for read in (lambda: check_times(claims, NOW), lambda: text_in(claims, "sub")):
        try:
            read()
        except UnbelievableError as error:
            assert error.args  # noqa: PT017 - either outcome is fine, another error is not


@pytest.mark.parametrize("value", ["", "a\nb", "\x00", "a" * 201, 5, None, ["a"], {"a": 1}])
def test_what_is_no_name_is_not_believed(value: Any) -> None:
    with pytest.raises(UnbelievableError):
        text_in({"sub": value}, "sub")


def test_scopes_of_others_are_none_of_ours() -> None:
    assert scopes_in({"scope": "openid plans:read email"}) == {"plans:read"}
    assert scopes_in({"scope": ["plans:read"]}) == frozenset()
    assert scopes_in({}) == frozenset()
