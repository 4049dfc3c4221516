"""Snapshots in memory: bounded, and never back to an older version."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from billing.entitlements.memory import MemoryStore
from tests.support.clock import Seconds
from tests.support.snapshots import CLIENT, make_snapshot

TTL_S = 60.0


@pytest.fixture
def monotonic() -> Seconds:
    return Seconds()


@pytest.fixture
def store(monotonic: Seconds) -> MemoryStore:
    return MemoryStore(2, TTL_S, monotonic)


def test_snapshot_is_fresh_for_its_time_and_known_after(
    store: MemoryStore, monotonic: Seconds
) -> None:
    snapshot = make_snapshot()
    store.put(snapshot)

    monotonic.now_s += TTL_S
    at_the_end = store.find_fresh(CLIENT)
    monotonic.now_s += 0.1
    after = store.find_fresh(CLIENT)

    assert (at_the_end, after, store.find_last_known(CLIENT)) == (snapshot, None, snapshot)


def test_notice_drops_what_is_older_at_once_and_for_outages_too(store: MemoryStore) -> None:
    store.put(make_snapshot(version=1))

    store.invalidate(CLIENT, 2)

    assert store.find_fresh(CLIENT) is None
    assert store.find_last_known(CLIENT) is None


@pytest.mark.parametrize("version", [1, 2])
def test_notice_of_what_is_known_already_drops_nothing(store: MemoryStore, version: int) -> None:
    snapshot = make_snapshot(version=2)
    store.put(snapshot)

    store.invalidate(CLIENT, version)

    assert store.find_fresh(CLIENT) == snapshot


def test_read_that_began_before_a_change_cannot_bring_it_back(store: MemoryStore) -> None:
    store.invalidate(CLIENT, 2)

    assert store.put(make_snapshot(version=1)) is None
    assert store.find_last_known(CLIENT) is None
    assert store.put(make_snapshot(version=2)) is not None


def test_gap_makes_everything_stale_and_forgets_nothing(store: MemoryStore) -> None:
    snapshot = make_snapshot()
    store.put(snapshot)

    store.expire_all()

    assert store.find_fresh(CLIENT) is None
    assert store.find_last_known(CLIENT) == snapshot


def test_age_counts_from_the_read(store: MemoryStore, monotonic: Seconds) -> None:
    before = store.age_s(CLIENT)
    store.put(make_snapshot())
    monotonic.now_s += 3

    assert (before, store.age_s(CLIENT)) == (float("inf"), 3)


def test_no_more_clients_are_kept_than_allowed(store: MemoryStore) -> None:
    for number in range(5):
        store.put(make_snapshot(client_id=f"c-{number}"))

    kept = [n for n in range(5) if store.find_fresh(f"c-{n}") is not None]

    assert kept == [3, 4]


class NeverBack(RuleBasedStateMachine):
    """Reads and notices in any order: what is told never goes back."""

    def __init__(self) -> None:
        super().__init__()
        self.monotonic = Seconds()
        self.store = MemoryStore(10, TTL_S, self.monotonic)
        self.highest = 0

    @rule(version=st.integers(1, 9))
    def read(self, version: int) -> None:
        kept = self.store.put(make_snapshot(version=version))
        assert (kept is None) == (version < self.highest)
        self.highest = max(self.highest, version)

    @rule(version=st.integers(1, 9))
    def hear(self, version: int) -> None:
        self.store.invalidate(CLIENT, version)
        self.highest = max(self.highest, version)

    @rule(by_s=st.floats(0, 100))
    def wait(self, by_s: float) -> None:
        self.monotonic.now_s += by_s

    @precondition(lambda self: self.highest > 0)
    @rule()
    def lose_the_connection(self) -> None:
        self.store.expire_all()
        assert self.store.find_fresh(CLIENT) is None

    @invariant()
    def nothing_older_is_ever_told(self) -> None:
        for found in (self.store.find_fresh(CLIENT), self.store.find_last_known(CLIENT)):
            assert found is None or found.version >= self.highest


TestNeverBack = NeverBack.TestCase
TestNeverBack.settings = settings(max_examples=100, stateful_step_count=20)
