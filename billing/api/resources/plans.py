"""What is for sale."""

from collections.abc import Mapping

from billing.api import problems
from billing.api.call import Aim, Answer, Binding, Call
from billing.api.models import plans as models
from billing.api.ports import Plans
from billing.api.problems import ProblemError
from billing.api.resources.aims import app_of, concerns, nobody
from billing.errors import UnknownPlanError
from billing.model import Plan


class PlanCalls:
    """Carries the calls about plans out."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    def bindings(self) -> Mapping[str, Binding]:
        """Return what carries each operation out."""
        return {
            "list_plans": Binding(nobody, self._list),
            "get_plan": Binding(self._aim_at_one, self._get),
        }

    async def _aim_at_one(self, call: Call) -> Aim:
        return Aim(app_id=app_of(call, self._plans, (call.path["plan_id"],), every=True))

    async def _list(self, call: Call) -> Answer:
        kept = [
            plan
            for plan in self._plans.for_sale
            if call.app_id is None or concerns(self._plans, plan.id, call.app_id)
        ]
        return Answer(models.PlanList(items=[_told(plan) for plan in kept]))

    async def _get(self, call: Call) -> Answer:
        try:
            return Answer(_told(self._plans.get(call.path["plan_id"])))
        except UnknownPlanError:
            raise ProblemError(problems.NO_SUCH_THING) from None


def _told(plan: Plan) -> models.Plan:
    return models.Plan(
        id=plan.id,
        version=plan.version,
        name=plan.name,
        description=plan.description,
        amount_minor=plan.amount_minor,
        currency=plan.currency,
        interval=plan.interval.value,
        trial_days=plan.trial_days,
        max_quantity=plan.max_quantity,
        grace_days=plan.grace_days,
        features=[models.Feature.model_validate(feature) for feature in plan.features],
    )
