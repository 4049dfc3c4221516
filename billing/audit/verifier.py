"""What is wrong with a chain of the audit, found row by row in one pass."""

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from billing.audit.chain import GENESIS, Entry, Head, hash_of

KeyOf = Callable[[str], bytes | None]
"""Returns the audit key of a key id, or None if it is not known."""


class Wrong(StrEnum):
    """Kinds of fault; the value is what an operator reads."""

    CHANGED = "the row is not as it was written, or was not written by Tollway"
    MISSING = "rows are missing"
    EXTRA = "the row has no place in any chain"
    UNLINKED = "the row does not follow the one before it"
    UNKNOWN_KEY = "the row's key is not in encryption.keys, so that it cannot be checked"
    HEAD = "the head is not that of the last row"
    FORGOTTEN = "the chain ends before, or differs from, the head that was kept elsewhere"
    EPOCH = "the rows of before there were chains are not those that were sealed"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and its place; `seq` None where there is no such row."""

    wrong: Wrong
    chain: int | None
    position: int | None
    seq: int | None = None
    detail: str = ""


class ChainCheck:
    """Checks one chain: `see` each row in the order of positions, then `end`.

    `kept` is a head of the chain that was kept elsewhere, if there is one.
    """

    def __init__(self, chain: int, key_of: KeyOf, kept: Head | None = None) -> None:
        self._chain = chain
        self._key_of = key_of
        self._kept = kept
        self._last = Head(chain, 0, GENESIS)
        self._last_holds = True

    def see(self, entry: Entry, stored_hash: bytes) -> Iterator[Fault]:
        """Yield what is wrong with the next row."""
        expected = self._last.position + 1
        follows = entry.position == expected
        if entry.position > expected:
            yield self._missing(entry.position - 1)
        elif entry.position < expected:
            yield self._at(Wrong.EXTRA, entry)
        wrong = self._objection(entry, stored_hash, follows=follows and self._last_holds)
        if wrong is not None:
            yield self._at(wrong, entry)
        kept = self._kept
        if kept is not None and kept.position == entry.position and kept.hash != stored_hash:
            yield self._at(Wrong.FORGOTTEN, entry)
        self._last = Head(self._chain, max(entry.position, self._last.position), stored_hash)
        self._last_holds = wrong is None

    def end(self, head: Head | None) -> Iterator[Fault]:
        """Yield what is wrong with the end of the chain, `head` being what the database keeps."""
        last = self._last.position
        if head is None:
            yield Fault(Wrong.HEAD, self._chain, last, detail="there is none")
        elif head.position > last:
            yield self._missing(head.position)
        elif head.position < last:
            detail = f"positions {head.position + 1} to {last} are behind the head"
            yield Fault(Wrong.EXTRA, self._chain, head.position + 1, detail=detail)
        elif self._last_holds and head.hash != self._last.hash:
            yield Fault(Wrong.HEAD, self._chain, last)
        if self._kept is not None and self._kept.position > last:
            detail = f"it had {self._kept.position} rows"
            yield Fault(Wrong.FORGOTTEN, self._chain, last, detail=detail)

    def _objection(self, entry: Entry, stored_hash: bytes, *, follows: bool) -> Wrong | None:
        key = self._key_of(entry.key_id)
        if key is None:
            return Wrong.UNKNOWN_KEY
        if not hmac.compare_digest(hash_of(entry, key), stored_hash):
            return Wrong.CHANGED
        # Behind a row that is wrong itself, this would be the same fault once more.
        if follows and entry.prev_hash != self._last.hash:
            return Wrong.UNLINKED
        return None

    def _missing(self, last: int) -> Fault:
        first = self._last.position + 1
        detail = f"position {first}" if first == last else f"positions {first} to {last}"
        return Fault(Wrong.MISSING, self._chain, first, detail=detail)

    def _at(self, wrong: Wrong, entry: Entry) -> Fault:
        return Fault(wrong, self._chain, entry.position, entry.seq)
