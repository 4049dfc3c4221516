"""What a snapshot means for one app at one instant."""

from collections.abc import Iterable
from datetime import datetime

from policies.decision import Entitlement
from policies.model import Block, Grant, Snapshot, SubscriptionStatus

# When several subscriptions grant the same app, apps are told the best standing:
# an unpaid add-on must not make a paid plan look unpaid.
_STANDING = {
    SubscriptionStatus.ACTIVE: 0,
    SubscriptionStatus.TRIALING: 1,
    SubscriptionStatus.CANCELING: 2,
    SubscriptionStatus.PAST_DUE: 3,
}


def entitlement_of(snapshot: Snapshot, app_id: str, now: datetime) -> Entitlement:
    """Sum up what the client holds of the app at `now`; no live grant gives no features.

    Values of one feature from several grants are merged: a number takes the larger,
    True beats a text, and otherwise the grant that lasts longest wins.
    """
    live = sorted(
        (g for g in snapshot.grants if g.app_id == app_id and g.is_live(now)),
        key=_preference,
    )
    features: dict[str, bool | int | str] = {}
    for grant in live:
        held = features.get(grant.feature)
        features[grant.feature] = grant.value if held is None else _larger(held, grant.value)
    best = live[0] if live else None
    return Entitlement(
        plan=best.plan if best else None,
        status=best.status if best else None,
        features=tuple(sorted(features.items())),
        valid_until=next_change(snapshot, app_id, now),
        version=snapshot.version,
    )


def find_block(snapshot: Snapshot, app_id: str, now: datetime) -> Block | None:
    """Return a block that bars the app at `now`, or None."""
    for block in snapshot.blocks:
        if block.app_id in {None, app_id} and block.is_live(now):
            return block
    return None


def next_change(snapshot: Snapshot, app_id: str, now: datetime) -> datetime | None:
    """Return the first instant after `now` at which a decision on the app can change."""
    spans: list[Grant | Block] = [g for g in snapshot.grants if g.app_id == app_id]
    spans += [b for b in snapshot.blocks if b.app_id in {None, app_id}]
    return min(_instants_after(spans, now), default=None)


def _instants_after(spans: Iterable[Grant | Block], now: datetime) -> Iterable[datetime]:
    for span in spans:
        if span.from_at > now:
            yield span.from_at
        if span.until_at is not None and span.until_at > now:
            yield span.until_at


def _preference(grant: Grant) -> tuple[int, bool, float, str]:
    standing = _STANDING.get(SubscriptionStatus(grant.status), 4) if grant.status else 0
    lasts = -grant.until_at.timestamp() if grant.until_at else 0.0
    return (standing, grant.until_at is not None, lasts, grant.plan or "")


def _larger(held: bool | int | str, other: bool | int | str) -> bool | int | str:  # noqa: FBT001 - feature values are booleans, numbers or texts
    if isinstance(held, bool) or isinstance(other, bool):
        return True if True in (held, other) else held
    if isinstance(held, int) and isinstance(other, int):
        return max(held, other)
    return held
