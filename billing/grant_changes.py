"""What is to be written so that the table of grants says what was derived: pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.derive import GrantFact
from billing.result import Change, changes_between


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """A grant as the table has it; with `revoked_at` it was ended before its time."""

    id: str
    revoked_at: datetime | None
    fact: GrantFact


@dataclass(frozen=True, slots=True)
class GrantChanges:
    """Grants to write, grants to end, and both in words.

    `lowers` tells that the client would have less for it, or for a shorter time.
    """

    written: tuple[GrantFact, ...]
    ended: tuple[HeldGrant, ...]
    told: tuple[Change, ...]
    lowers: bool


def compare(held: Iterable[HeldGrant], wanted: Sequence[GrantFact]) -> GrantChanges:
    """Return the difference between the grants that stand and those that shall stand."""
    before = {_key(grant.fact): grant for grant in held}
    after = {_key(fact): fact for fact in wanted}
    written = tuple(fact for key, fact in after.items() if _differs(before.get(key), fact))
    ended = tuple(
        grant for key, grant in before.items() if key not in after and grant.revoked_at is None
    )
    told = [change for fact in written for change in _tell(_standing(before.get(_key(fact))), fact)]
    told += [change for grant in ended for change in _tell(grant.fact, None)]
    lowers = bool(ended) or any(_lowers(before.get(_key(fact)), fact) for fact in written)
    return GrantChanges(written, ended, tuple(told), lowers)


def _key(fact: GrantFact) -> tuple[str, str, str, str]:
    return fact.source, fact.source_id, fact.app_id, fact.feature


def _differs(held: HeldGrant | None, fact: GrantFact) -> bool:
    standing = _standing(held)
    if standing is None or _tell(standing, fact):
        return True
    # Nobody is told of a beginning that moved; it never moves later.
    return fact.from_at < standing.from_at


def _standing(held: HeldGrant | None) -> GrantFact | None:
    return held.fact if held is not None and held.revoked_at is None else None


def _lowers(held: HeldGrant | None, fact: GrantFact) -> bool:
    standing = _standing(held)
    if standing is None:
        return False
    if fact.value != standing.value:
        return True
    return fact.until_at is not None and (
        standing.until_at is None or fact.until_at < standing.until_at
    )


def _tell(before: GrantFact | None, after: GrantFact | None) -> tuple[Change, ...]:
    fact = after or before
    if fact is None:
        return ()
    name = f"{fact.app_id}/{fact.feature} of {fact.source_id}"
    return changes_between("grant", name, _told(before), _told(after))


def _told(fact: GrantFact | None) -> dict[str, object] | None:
    if fact is None:
        return None
    return {
        "value": fact.value,
        "plan": f"{fact.plan} {fact.version}",
        "quantity": fact.quantity,
        "status": fact.status,
        "until_at": fact.until_at or "for ever",
    }
