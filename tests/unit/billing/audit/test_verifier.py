"""A chain is checked without a database: with the key rows can be forged, but not their place."""

from dataclasses import replace
from datetime import UTC, datetime

from billing.audit.chain import GENESIS, Entry, Head, hash_of
from billing.audit.verifier import ChainCheck, Fault, Wrong

_KEY = b"k" * 32
_CHAIN = 4
_Row = tuple[Entry, bytes]


def rows_of(*actors: str, prev_hash: bytes = GENESIS) -> list[_Row]:
    """Return a chain of a row for each actor."""
    rows: list[_Row] = []
    for position, actor in enumerate(actors, 1):
        entry = Entry(
            chain=_CHAIN,
            position=position,
            key_id="k",
            prev_hash=rows[-1][1] if rows else prev_hash,
            seq=100 + position,
            at=datetime(2026, 1, 1, tzinfo=UTC),
            actor=actor,
            action="grant.given",
            client_id=None,
            before=None,
            after=None,
            cause_inbox_id=None,
            cause_request_id=None,
        )
        rows.append((entry, hash_of(entry, _KEY)))
    return rows


def check(rows: list[_Row], head: Head | None, kept: Head | None = None) -> list[Fault]:
    checking = ChainCheck(_CHAIN, {"k": _KEY}.get, kept)
    found = [fault for row in rows for fault in checking.see(*row)]
    return [*found, *checking.end(head)]


def head_of(rows: list[_Row]) -> Head:
    return Head(_CHAIN, len(rows), rows[-1][1] if rows else GENESIS)


def test_an_empty_chain_is_whole() -> None:
    assert check([], Head(_CHAIN, 0, GENESIS)) == []


def test_a_whole_chain_is_whole() -> None:
    rows = rows_of("a", "b", "c")

    assert check(rows, head_of(rows)) == []


def test_a_row_that_holds_in_the_place_of_another_is_found_at_the_next_one() -> None:
    rows, other = rows_of("a", "b", "c"), rows_of("a", "x")

    assert check([rows[0], other[1], rows[2]], head_of(rows)) == [
        Fault(Wrong.UNLINKED, _CHAIN, 3, 103)
    ]


def test_a_last_row_that_holds_in_the_place_of_another_is_found_by_the_head() -> None:
    rows, other = rows_of("a", "b"), rows_of("a", "x")

    assert check([rows[0], other[1]], head_of(rows)) == [Fault(Wrong.HEAD, _CHAIN, 2)]


def test_a_chain_that_does_not_begin_at_the_beginning_is_found() -> None:
    rows = rows_of("a", prev_hash=b"x" * 32)

    assert check(rows, head_of(rows)) == [Fault(Wrong.UNLINKED, _CHAIN, 1, 101)]


def test_a_row_that_is_there_twice_is_found() -> None:
    rows = rows_of("a", "b")

    found = check([rows[0], rows[1], rows[1]], head_of(rows))

    assert Fault(Wrong.EXTRA, _CHAIN, 2, 102) in found


def test_several_missing_rows_are_one_fault() -> None:
    rows = rows_of("a", "b", "c", "d", "e")

    assert check([rows[0], rows[4]], head_of(rows)) == [
        Fault(Wrong.MISSING, _CHAIN, 2, detail="positions 2 to 4")
    ]


def test_a_row_of_an_unknown_key_does_not_hide_what_comes_behind_it() -> None:
    rows = rows_of("a", "b", "c")
    entry, own = rows[2]

    found = check(
        [
            (replace(rows[0][0], key_id="gone"), rows[0][1]),
            rows[1],
            (replace(entry, actor="x"), own),
        ],
        head_of(rows),
    )

    assert [(fault.wrong, fault.position) for fault in found] == [
        (Wrong.UNKNOWN_KEY, 1),
        (Wrong.CHANGED, 3),
    ]


def test_all_rows_gone_with_their_head_are_missed_by_a_kept_one() -> None:
    kept = head_of(rows_of("a", "b"))

    assert check([], Head(_CHAIN, 0, GENESIS), kept) == [
        Fault(Wrong.FORGOTTEN, _CHAIN, 0, detail="it had 2 rows")
    ]
