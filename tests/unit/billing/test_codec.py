"""A snapshot outside the process: comes back whole, or is a miss."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.entitlements.codec import decode, encode
from policies.model import Block, Grant, Snapshot
from tests.support.snapshots import CLIENT, NOW

instants = st.integers(-(10**9), 10**9).map(lambda s: NOW + timedelta(seconds=s))
grants = st.builds(
    Grant,
    app_id=st.text(max_size=5),
    feature=st.text(max_size=5),
    value=st.booleans() | st.integers() | st.text(max_size=5),
    from_at=instants,
    until_at=st.none() | instants,
    plan=st.none() | st.text(max_size=5),
    status=st.none() | st.text(max_size=5),
)
blocks = st.builds(
    Block,
    app_id=st.none() | st.text(max_size=5),
    service=st.text(max_size=5),
    reason=st.text(max_size=5),
    from_at=instants,
    until_at=st.none() | instants,
)
snapshots = st.builds(
    Snapshot,
    client_id=st.just(CLIENT),
    version=st.integers(0, 2**62),
    taken_at=instants,
    grants=st.lists(grants, max_size=3).map(tuple),
    blocks=st.lists(blocks, max_size=3).map(tuple),
)


@given(snapshots)
def test_snapshot_comes_back_whole(snapshot: Snapshot) -> None:
    assert decode(encode(snapshot)) == snapshot


@given(grants)
def test_true_stays_true_and_one_stays_one(grant: Grant) -> None:
    (read,) = decode(encode(Snapshot(CLIENT, 1, NOW, (grant,)))).grants

    assert type(read.value) is type(grant.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "null",
        '"x"',
        "{}",
        b"\xff",
        '{"client":1,"version":1,"taken":"x","grants":[],"blocks":[]}',
        '{"client":"c","version":1,"taken":1e99,"grants":[],"blocks":[]}',
        '{"client":"c","version":1,"taken":1,"grants":[[1]],"blocks":[]}',
        '{"client":"c","version":1,"taken":1,"grants":5,"blocks":[]}',
    ],
)
def test_anything_else_is_a_value_error_which_the_reader_takes_for_a_miss(text: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)
