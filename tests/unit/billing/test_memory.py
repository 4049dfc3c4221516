"""Snapshots in memory: bounded, and never back to an older version."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from billing.entitlements.memory import MemoryStore
from tests.support.clock import Seconds
from tests.support.snapshots import CLIENT, make_grant, make_snapshot

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


def test_client_who_makes_room_is_kept_packed_and_comes_back_the_same(
    store: MemoryStore, monotonic: Seconds
) -> None:
    snapshot = make_snapshot(make_grant(), version=3)
    store.put(snapshot, age_s=4)
    monotonic.now_s += 1
    store.put(make_snapshot(client_id="another"))

    assert store.find_fresh(CLIENT) == snapshot
    assert store.find_fresh(CLIENT) is store.find_fresh(CLIENT)
    assert store.age_s(CLIENT) == 5


def test_notice_reaches_who_is_packed(store: MemoryStore) -> None:
    store.put(make_snapshot(version=1))
    store.put(make_snapshot(client_id="another"))

    store.invalidate(CLIENT, 2)

    assert store.find_last_known(CLIENT) is None
    assert store.put(make_snapshot(version=1)) is None


def test_read_that_began_before_a_gap_is_known_and_not_fresh(store: MemoryStore) -> None:
    gaps = store.gaps
    store.expire_all()

    store.put(make_snapshot(), gaps=gaps)

    assert store.find_fresh(CLIENT) is None
    assert store.find_last_known(CLIENT) == make_snapshot()


def test_seeded_snapshot_is_known_and_never_fresh(store: MemoryStore) -> None:
    store.seed(make_snapshot())

    assert store.find_fresh(CLIENT) is None
    assert store.find_last_known(CLIENT) == make_snapshot()
    assert store.age_s(CLIENT) == float("inf")


def test_one_good_read_replaces_what_was_seeded(store: MemoryStore) -> None:
    store.seed(make_snapshot(make_grant(app_id="wiki")))

    store.put(make_snapshot())

    assert store.find_fresh(CLIENT) == make_snapshot()


@pytest.mark.parametrize(
    ("seeded", "known"), [(1, None), (2, 2), (3, 3)], ids=["older", "announced", "newer"]
)
def test_what_is_seeded_never_undoes_a_notice(
    store: MemoryStore, seeded: int, known: int | None
) -> None:
    store.invalidate(CLIENT, 2)

    store.seed(make_snapshot(version=seeded))

    found = store.find_last_known(CLIENT)
    assert (found.version if found else None) == known


def test_looking_at_somebody_does_not_keep_them_longer(store: MemoryStore) -> None:
    store.put(make_snapshot(make_grant()))
    store.put(make_snapshot(client_id="second"))

    packed, at_hand, nobody = (store.peek(name) for name in (CLIENT, "second", "nobody"))
    store.put(make_snapshot(client_id="third"))

    assert (packed, at_hand) == (make_snapshot(make_grant()), make_snapshot(client_id="second"))
    assert nobody is None
    assert store.peek(CLIENT) is None


def test_what_was_read_is_not_replaced_by_a_seed(store: MemoryStore) -> None:
    store.put(make_snapshot(make_grant()))

    store.seed(make_snapshot())

    assert store.find_fresh(CLIENT) == make_snapshot(make_grant())


def test_while_nobody_tells_of_changes_facts_are_fresh_for_seconds_only(
    store: MemoryStore, monotonic: Seconds
) -> None:
    store.put(make_snapshot())
    monotonic.now_s += 30
    store.hear(is_hearing=False)

    monotonic.now_s += 5
    at_the_end = store.find_fresh(CLIENT)
    monotonic.now_s += 0.1
    after = store.find_fresh(CLIENT)
    store.hear(is_hearing=True)

    assert (at_the_end, after, store.find_fresh(CLIENT)) == (
        make_snapshot(),
        None,
        make_snapshot(),
    )


class NeverBack(RuleBasedStateMachine):
    """Reads and notices in any order: what is told never goes back."""

    def __init__(self) -> None:
        super().__init__()
        self.monotonic = Seconds()
        # Room for two at hand and two packed: a crowd of two pushes the client from one to the
        # other, and never out.
        self.store = MemoryStore(4, TTL_S, self.monotonic)
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

    @rule(version=st.integers(1, 9))
    def seed(self, version: int) -> None:
        self.store.seed(make_snapshot(version=version))
        self.highest = max(self.highest, version)

    @rule()
    def crowd(self) -> None:
        for name in ("c-1", "c-2"):
            self.store.put(make_snapshot(client_id=name))

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
