"""Facts about a client, as every cache and every decision sees them.

A `Snapshot` is what is cached in memory and Valkey and read from Postgres: the
facts, never a verdict, so that one snapshot answers for every app and feature
and goes on being right while time passes.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SubscriptionStatus(StrEnum):
    """Our status of a subscription; the provider's own words are mapped to these."""

    PENDING = "pending"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELING = "canceling"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client may use, from when until when: half-open [from_at, until_at).

    `until_at` None means for ever. `plan` and `status` tell where the grant came
    from and are passed on to apps; they never take part in a decision.
    """

    app_id: str
    feature: str
    value: bool | int | str
    from_at: datetime
    until_at: datetime | None
    plan: str | None = None
    status: str | None = None

    def is_live(self, now: datetime) -> bool:
        """Tell whether the grant holds at the instant `now`."""
        return self.from_at <= now and (self.until_at is None or now < self.until_at)


@dataclass(frozen=True, slots=True)
class Block:
    """A bar laid over every grant: fraud, dispute, an operator, dunning.

    `app_id` None bars all apps; `until_at` None means until it is lifted.
    """

    app_id: str | None
    service: str
    reason: str
    from_at: datetime
    until_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Tell whether the block holds at the instant `now`."""
        return self.from_at <= now and (self.until_at is None or now < self.until_at)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All facts about one client at one version.

    `version` only ever grows and is bumped in the transaction that changes any
    fact; a snapshot of a lower version never replaces one of a higher. Version 0
    is a client of whom no fact is known.
    """

    client_id: str
    version: int
    taken_at: datetime
    grants: tuple[Grant, ...] = ()
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """The facts could not be read; `why` says which store failed. Unknown is not unpaid."""

    why: str
