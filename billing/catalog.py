"""What is for sale, and what was ever sold."""

from collections.abc import Iterable, Mapping

from billing.derive import Plans
from billing.errors import UnknownPlanError
from billing.model import Plan


class Catalog:
    """Plans by id and by price.

    `for_sale` is today's configuration; `published` adds every older version, so that
    an old subscriber's price still finds the plan that was bought.
    """

    def __init__(self, for_sale: Iterable[Plan], published: Iterable[Plan] = ()) -> None:
        self._for_sale = {plan.id: plan for plan in for_sale}
        plans = [*published, *self._for_sale.values()]
        self._by_price = {plan.psp_price_id: plan for plan in plans}
        self._by_version = {(plan.id, plan.version): plan for plan in plans}

    @property
    def for_sale(self) -> tuple[Plan, ...]:
        """Return the plans on sale, in the order of the configuration."""
        return tuple(self._for_sale.values())

    @property
    def by_price(self) -> Mapping[str, Plan]:
        """Return every published plan version by the provider's price id."""
        return self._by_price

    @property
    def plans(self) -> Plans:
        """Return every published plan version, by price and by version."""
        return Plans(self._by_price, self._by_version)

    def get(self, plan_id: str) -> Plan:
        """Return the plan on sale under the id.

        Raises:
            UnknownPlanError: no such plan is for sale.
        """
        try:
            return self._for_sale[plan_id]
        except KeyError:
            raise UnknownPlanError(f"no plan {plan_id!r} is for sale") from None

    def versions(self, plan_id: str) -> tuple[Plan, ...]:
        """Return every version of the plan, whether it is still on sale or not."""
        return tuple(plan for plan in self._by_price.values() if plan.id == plan_id)

    def unlocking(self, app_id: str, feature: str) -> tuple[Plan, ...]:
        """Return the plans on sale that give the feature of the app."""
        return tuple(p for p in self._for_sale.values() if p.unlocks(app_id, feature))
