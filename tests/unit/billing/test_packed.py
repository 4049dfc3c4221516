"""Packed snapshots: come back whole, and never hold more words than the bound."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.entitlements.packed import Entry, Packing, floor_of
from policies.model import Grant, Snapshot
from tests.support.snapshots import CLIENT, NOW, make_block, make_grant, make_snapshot

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
snapshots = st.builds(
    Snapshot,
    client_id=st.just(CLIENT),
    version=st.integers(0, 2**62),
    taken_at=instants,
    grants=st.lists(grants, max_size=4).map(tuple),
    blocks=st.lists(st.just(make_block()), max_size=1).map(tuple),
)


def entry_of(snapshot: Snapshot | None, floor: int = 1) -> Entry:
    return Entry(snapshot, snapshot.version if snapshot else floor, 3, 12.5, 0.5)


@given(snapshots, st.integers(0, 4))
def test_entry_comes_back_whole_however_few_shapes_are_numbered(
    snapshot: Snapshot, most_shapes: int
) -> None:
    packing = Packing(most_shapes)
    entry = entry_of(snapshot)

    assert packing.unpack(CLIENT, packing.pack(entry)) == entry


def test_true_stays_true_and_one_stays_one() -> None:
    packing = Packing()
    snapshot = make_snapshot(make_grant(value=True), make_grant(value=1))

    unpacked = packing.unpack(CLIENT, packing.pack(entry_of(snapshot))).snapshot

    assert unpacked is not None
    assert [type(grant.value) for grant in unpacked.grants] == [bool, int]


def test_floor_is_read_without_unpacking() -> None:
    packing = Packing()

    assert floor_of(packing.pack(entry_of(None, 7))) == 7
    assert floor_of(packing.pack(entry_of(make_snapshot(version=8)))) == 8
    assert packing.unpack(CLIENT, packing.pack(entry_of(None, 7))).snapshot is None


def test_usual_client_takes_few_bytes() -> None:
    packed = Packing().pack(entry_of(make_snapshot(make_grant(), make_grant(feature="edit"))))

    assert len(packed) <= 80


@pytest.mark.parametrize("number", [1, 2, 3])
def test_shapes_past_the_bound_are_kept_as_text(number: int) -> None:
    packing = Packing(2)
    for value in range(number):
        entry = entry_of(make_snapshot(make_grant(value=value)))
        assert packing.unpack(CLIENT, packing.pack(entry)) == entry

    assert len(packing._shapes) == min(number, 2)
