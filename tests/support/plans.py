"""Plans for tests, with defaults."""

from billing.model import Interval, Plan, PlanFeature


def make_plan(
    plan_id: str = "reader",
    *,
    version: int = 1,
    interval: Interval = Interval.MONTH,
    apps: tuple[str, ...] = ("notes",),
    grace_days: int = 3,
) -> Plan:
    """Return a plan that gives `access` to the apps."""
    return Plan(
        id=plan_id,
        version=version,
        name=plan_id.title(),
        description="",
        amount_minor=500,
        currency="eur",
        interval=interval,
        psp_price_id=f"price_{plan_id}_{version}",
        grace_days=grace_days,
        features=tuple(PlanFeature(app, "access", value=True) for app in sorted(apps)),
    )
