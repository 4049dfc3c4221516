"""Plans for tests, with defaults."""

from billing.model import Interval, Plan, PlanFeature


def make_plan(
    plan_id: str = "reader",
    *,
    version: int = 1,
    interval: Interval = Interval.MONTH,
    apps: tuple[str, ...] = ("notes",),
    grace_days: int = 3,
    trial_days: int = 0,
    max_quantity: int = 1,
    amount_minor: int = 500,
) -> Plan:
    """Return a plan that gives `access` to the apps."""
    return Plan(
        id=plan_id,
        version=version,
        name=plan_id.title(),
        description="",
        amount_minor=amount_minor,
        currency="eur",
        interval=interval,
        psp_price_id=f"price_{plan_id}_{version}",
        grace_days=grace_days,
        features=tuple(PlanFeature(app, "access", value=True) for app in sorted(apps)),
        trial_days=trial_days,
        max_quantity=max_quantity,
    )
