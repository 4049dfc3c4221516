"""What a route asks of a client."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_FEATURE = "access"


class Access(StrEnum):
    """The three kinds of route."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    ENTITLED = "entitled"


class OnUnknown(StrEnum):
    """What an entitled route does while the facts about a client are unknown."""

    LAST_KNOWN = "last_known"
    CLOSED = "closed"
    INSECURE_OPEN = "insecure_open"


@dataclass(frozen=True, slots=True)
class Requirement:
    """`feature` counts only where `access` is ENTITLED."""

    app_id: str
    access: Access
    feature: str = DEFAULT_FEATURE
    on_unknown: OnUnknown = OnUnknown.LAST_KNOWN
