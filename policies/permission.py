"""Who may do what over the API: a caller, an action and whom it is about give one answer.

An action is written like the scope that it needs, `resource:read` or `resource:write`;
neither includes the other. `clients:erase` needs `clients:write`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a caller is to the gateway."""

    ADMIN = "admin"
    APP = "app"
    CLIENT = "client"


class Refusal(StrEnum):
    """Why a caller may not; a closed list, written into the audit log."""

    UNKNOWN_ACTION = "unknown_action"
    ROLE = "role"
    SCOPE = "scope"
    NOT_ITSELF = "not_itself"
    OTHER_CLIENT = "other_client"
    OTHER_APP = "other_app"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the API, as its token says.

    `app_id` is set for the role app, `client_id` for the role client. `name` is for readers
    of logs, `actor` for the audit log; `token_id` tells two tokens of one caller apart.
    """

    role: Role
    scopes: frozenset[str]
    app_id: str | None
    client_id: str | None
    name: str
    actor: str
    token_id: str


@dataclass(frozen=True, slots=True)
class Target:
    """What an action is about; None where it is about no client or no app in particular.

    `is_of_callers_app` is a fact for callers of the role app: the client has registered with
    that app, or has ever had a grant or a checkout of it.
    """

    client_id: str | None = None
    app_id: str | None = None
    is_of_callers_app: bool = False


@dataclass(frozen=True, slots=True)
class Permitted:
    """The caller may."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The caller may not."""

    reason: Refusal

    @property
    def is_hidden(self) -> bool:
        """Tell whether saying "you may not" would say that there is such a thing."""
        return self.reason in {Refusal.OTHER_CLIENT, Refusal.OTHER_APP}


RESOURCES: Final = (
    "payments",
    "subscriptions",
    "clients",
    "plans",
    "grants",
    "blocks",
    "refunds",
    "entitlements",
    "portal",
    "events",
    "audit",
    "metrics",
)
SCOPES: Final = frozenset(f"{name}:{access}" for name in RESOURCES for access in ("read", "write"))

# One app would otherwise erase a client whom it shares with others.
_ERASE: Final = "clients:erase"
_SCOPE_OF: Final[Mapping[str, str]] = {scope: scope for scope in SCOPES} | {_ERASE: "clients:write"}
ACTIONS: Final = frozenset(_SCOPE_OF)

_FOR_APPS: Final = frozenset(
    {
        *("payments:read", "payments:write", "subscriptions:read", "subscriptions:write"),
        *("clients:read", "clients:write", "plans:read", "entitlements:read"),
        *("portal:read", "portal:write"),
    }
)
ACTIONS_OF: Final[Mapping[Role, frozenset[str]]] = {
    Role.ADMIN: ACTIONS,
    Role.APP: _FOR_APPS,
    Role.CLIENT: _FOR_APPS | {_ERASE},
}
"""What each role may do at all; whose things it may do it to, is decided after that."""

SCOPES_OF: Final[Mapping[Role, frozenset[str]]] = {
    role: frozenset(_SCOPE_OF[action] for action in actions) for role, actions in ACTIONS_OF.items()
}
"""The scopes that are of use to each role."""

# What is for sale belongs to nobody.
_OF_NOBODY: Final = frozenset({"plans:read"})

_PERMITTED: Final = Permitted()


def scope_of(action: str) -> str:
    """Return the scope that the action needs; an action that nobody knows needs its own name."""
    return _SCOPE_OF.get(action, action)


def may(caller: Caller, action: str, target: Target) -> Permitted | Denied:
    """Decide; total, and never raises.

    Where neither client nor app is given, an app's answer has still to be narrowed to what
    is its own.
    """
    if action not in ACTIONS:
        return Denied(Refusal.UNKNOWN_ACTION)
    if action not in ACTIONS_OF[caller.role]:
        return Denied(Refusal.ROLE)
    if scope_of(action) not in caller.scopes:
        return Denied(Refusal.SCOPE)
    match caller.role:
        case Role.ADMIN:
            return _PERMITTED
        case Role.APP:
            return _may_app(caller, target)
        case Role.CLIENT:
            return _may_client(caller, action, target)


def _may_app(caller: Caller, target: Target) -> Permitted | Denied:
    if caller.app_id is None or target.app_id not in {None, caller.app_id}:
        return Denied(Refusal.OTHER_APP)
    if target.client_id is not None and not target.is_of_callers_app:
        return Denied(Refusal.OTHER_CLIENT)
    return _PERMITTED


def _may_client(caller: Caller, action: str, target: Target) -> Permitted | Denied:
    if target.client_id is None:
        return _PERMITTED if action in _OF_NOBODY else Denied(Refusal.NOT_ITSELF)
    if caller.client_id is None or target.client_id != caller.client_id:
        return Denied(Refusal.OTHER_CLIENT)
    return _PERMITTED
