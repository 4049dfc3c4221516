"""Every cell of (role, action, whose): what is not in the table of the permitted, is denied."""

from itertools import product

import pytest

from policies.permission import (
    ACTIONS,
    RESOURCES,
    SCOPES,
    SCOPES_OF,
    Caller,
    Denied,
    Permitted,
    Refusal,
    Role,
    Target,
    may,
    scope_of,
)

ANN, BOB = "client-ann", "client-bob"
ADMIN_ONLY = ("grants", "blocks", "refunds", "events", "audit", "metrics")
# Whom or what a request is about, as an app `notes` or the client Ann sees it.
OWNERSHIP = {
    "nobody": Target(),
    "own app": Target(app_id="notes"),
    "other app": Target(app_id="files"),
    "client of the app": Target(client_id=ANN, is_of_callers_app=True),
    "client of the app, in the app": Target(client_id=ANN, app_id="notes", is_of_callers_app=True),
    "client of the app, in another app": Target(
        client_id=ANN, app_id="files", is_of_callers_app=True
    ),
    "stranger": Target(client_id=BOB),
    "stranger, in the app": Target(client_id=BOB, app_id="notes"),
}
OPEN_TO_ALL = {
    "payments:read",
    "payments:write",
    "subscriptions:read",
    "subscriptions:write",
    "clients:read",
    "clients:write",
    "plans:read",
    "entitlements:read",
    "portal:read",
    "portal:write",
}
FOR_APPS = {"nobody", "own app", "client of the app", "client of the app, in the app"}
FOR_CLIENTS = {
    "client of the app",
    "client of the app, in the app",
    "client of the app, in another app",
}


def caller(role: Role, scopes: frozenset[str] = SCOPES) -> Caller:
    return Caller(
        role=role,
        scopes=scopes,
        app_id="notes" if role is Role.APP else None,
        client_id=ANN if role is Role.CLIENT else None,
        name="somebody",
        actor="credential:1",
        token_id="t1",
    )


def expected(role: Role, action: str, whose: str) -> bool:
    if role is Role.ADMIN:
        return True
    if role is Role.APP:
        return action in OPEN_TO_ALL and whose in FOR_APPS
    is_about_nobody = whose in {"nobody", "own app", "other app"}
    if is_about_nobody:
        return action == "plans:read"
    return action in OPEN_TO_ALL | {"clients:erase"} and whose in FOR_CLIENTS


@pytest.mark.parametrize(("role", "action", "whose"), [*product(Role, sorted(ACTIONS), OWNERSHIP)])
def test_a_cell_of_the_table_is_permitted_or_denied(role: Role, action: str, whose: str) -> None:
    verdict = may(caller(role), action, OWNERSHIP[whose])

    assert isinstance(verdict, Permitted if expected(role, action, whose) else Denied)


@pytest.mark.parametrize(("role", "action"), [*product(Role, sorted(ACTIONS))])
def test_without_its_scope_nothing_is_permitted(role: Role, action: str) -> None:
    scopes = SCOPES - {scope_of(action)}
    whose = Target(client_id=ANN, is_of_callers_app=True)

    verdict = may(caller(role, scopes), action, whose)

    assert isinstance(verdict, Denied)
    assert verdict.reason in {Refusal.SCOPE, Refusal.ROLE}


@pytest.mark.parametrize("resource", ADMIN_ONLY)
@pytest.mark.parametrize("role", [Role.APP, Role.CLIENT])
def test_what_is_for_admins_only_is_of_no_use_to_others(role: Role, resource: str) -> None:
    assert not {scope for scope in SCOPES_OF[role] if scope.startswith(f"{resource}:")}


@pytest.mark.parametrize(
    ("role", "target", "reason"),
    [
        (Role.APP, Target(app_id="files"), Refusal.OTHER_APP),
        (Role.APP, Target(client_id=BOB), Refusal.OTHER_CLIENT),
        (Role.CLIENT, Target(client_id=BOB), Refusal.OTHER_CLIENT),
        # A client is no client of an app: that somebody looked it up must not let it in.
        (Role.CLIENT, Target(client_id=BOB, is_of_callers_app=True), Refusal.OTHER_CLIENT),
    ],
)
def test_what_is_not_the_callers_is_hidden(role: Role, target: Target, reason: Refusal) -> None:
    verdict = may(caller(role), "payments:read", target)

    assert verdict == Denied(reason)
    assert Denied(reason).is_hidden


@pytest.mark.parametrize(
    ("role", "action", "reason"),
    [
        (Role.ADMIN, "secrets:read", Refusal.UNKNOWN_ACTION),
        (Role.ADMIN, "", Refusal.UNKNOWN_ACTION),
        (Role.APP, "grants:read", Refusal.ROLE),
        (Role.APP, "clients:erase", Refusal.ROLE),
        (Role.CLIENT, "payments:read", Refusal.NOT_ITSELF),
    ],
)
def test_what_tells_nothing_of_others_is_refused_openly(
    role: Role, action: str, reason: Refusal
) -> None:
    verdict = may(caller(role), action, Target())

    assert verdict == Denied(reason)
    assert not Denied(reason).is_hidden


@pytest.mark.parametrize("role", [Role.APP, Role.CLIENT])
def test_a_caller_without_an_identity_of_its_role_has_nothing(role: Role) -> None:
    nobody = Caller(role, SCOPES, None, None, "nobody", "anonymous", "t1")

    assert isinstance(may(nobody, "payments:read", Target(client_id=ANN)), Denied)
    assert isinstance(may(nobody, "payments:read", Target(app_id="notes")), Denied)


def test_every_resource_has_a_scope_to_read_and_one_to_write() -> None:
    assert len(SCOPES) == 2 * len(RESOURCES) == 24
