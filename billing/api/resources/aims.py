"""Whom most calls are about."""

from collections.abc import Iterable

from billing.api.call import NOBODYS, Aim, Call
from billing.api.ports import Plans
from policies.permission import Role


async def nobody(_call: Call) -> Aim:
    """Return that the call is about no client in particular."""
    return Aim()


async def path_client(call: Call) -> Aim:
    """Return that the call is about the client in the path."""
    return Aim(client_id=call.path["client_id"])


def app_of(call: Call, plans: Plans, plan_ids: Iterable[str | None], *, every: bool) -> str | None:
    """Return what an app has to be permitted to touch these plans.

    That is itself where some of them give something of it, or every one of them; and
    nobody's app otherwise. Callers of other roles see plans of all apps.
    """
    if call.caller.role is not Role.APP or call.app_id is None:
        return None
    verdicts = [concerns(plans, plan_id, call.app_id) for plan_id in plan_ids]
    is_own = bool(verdicts) and (all(verdicts) if every else any(verdicts))
    return call.app_id if is_own else NOBODYS.app_id


def concerns(plans: Plans, plan_id: str | None, app_id: str) -> bool:
    """Tell whether any version of the plan gives something of the app."""
    return plan_id is not None and any(
        feature.app_id == app_id for plan in plans.versions(plan_id) for feature in plan.features
    )
