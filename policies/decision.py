"""The answer to "may this request pass?", with the reasons for it.

A decision is a value. `proxy` turns it into HTTP; logs and the `X-Entitlement-*`
headers tell it; nothing in it depends on how the client asked.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """What happens to the request; only ALLOW lets it through."""

    ALLOW = "allow"
    SIGN_IN = "sign_in"
    PAY = "pay"
    FORBID = "forbid"
    UNAVAILABLE = "unavailable"


class Reason(StrEnum):
    """Why; a closed list, so that dashboards and support can rely on the words."""

    PUBLIC_ROUTE = "public_route"
    SIGNED_IN = "signed_in"
    GRANT_LIVE = "grant_live"
    LAST_KNOWN_GRANT = "last_known_grant"
    LET_THROUGH_UNVERIFIED = "let_through_unverified"
    NOT_SIGNED_IN = "not_signed_in"
    SESSION_ENDED = "session_ended"
    BAD_CREDENTIAL = "bad_credential"
    NO_GRANT = "no_grant"
    GRANT_ENDED = "grant_ended"
    GRANT_AHEAD = "grant_ahead"
    FEATURE_OFF = "feature_off"
    BLOCKED = "blocked"
    FACTS_UNKNOWN = "facts_unknown"
    PAID_BUT_REFUSED = "paid_but_refused"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What one client holds of one app at one instant.

    `features` is sorted by name. `valid_until` is the first later instant at which
    any of this can change by the passing of time alone; None means never.
    """

    plan: str | None
    status: str | None
    features: tuple[tuple[str, bool | int | str], ...]
    valid_until: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is the rule that decided; `detail` names the block or the store, if one did."""

    outcome: Outcome
    reason: Reason
    client_id: str | None = None
    entitlement: Entitlement | None = None
    detail: str | None = None

    @property
    def is_allowed(self) -> bool:
        """Tell whether the request may pass."""
        return self.outcome is Outcome.ALLOW
