"""A shop in memory: a full implementation of the port of `checkout_pages`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from billing.errors import ProviderRefusedError, UnavailableError, UnknownPlanError
from billing.model import AlreadyHeld, CheckoutState, Hosted, Plan, Returned, Subscription
from policies.model import SubscriptionStatus
from tests.support.clock import FakeClock

_PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Checkout:
    plan: Plan
    returned: Returned


class MemoryShop:
    """Sells the plans it was made with.

    `is_down` makes every call that leaves the process unavailable, `is_refusing` lets the
    provider refuse every sale and change; `withdrawn` are ids of plans no longer sold.
    Checkouts are `cs_1`, `cs_2`, … to the provider and `1`, `2`, … to us.
    """

    def __init__(self, clock: FakeClock, plans: Sequence[Plan]) -> None:
        self.clock = clock
        self.is_down = False
        self.is_refusing = False
        self.withdrawn: set[str] = set()
        self._plans = tuple(plans)
        self._checkouts: list[_Checkout] = []
        self._subscriptions: dict[str, list[Subscription]] = {}

    def plans(self, app_id: str, feature: str) -> Sequence[Plan]:
        return tuple(plan for plan in self._plans if plan.unlocks(app_id, feature))

    async def begin(
        self, client_id: str, plan_id: str, *, return_host: str, return_to: str
    ) -> Hosted | AlreadyHeld:
        self._answer()
        plan = next((plan for plan in self._plans if plan.id == plan_id), None)
        if plan is None or plan_id in self.withdrawn:
            raise UnknownPlanError(plan_id)
        if any(plan_id in held.plan_ids for held in self._live(client_id)):
            return AlreadyHeld(plan)
        if self.is_refusing:
            raise ProviderRefusedError("not for sale")
        for number, held in enumerate(self._checkouts, 1):
            facts = (held.plan.id, held.returned.client_id, held.returned.state)
            if facts == (plan_id, client_id, CheckoutState.OPEN):
                return _page_of(number)
        returned = Returned(CheckoutState.OPEN, client_id, return_host, return_to)
        self._checkouts.append(_Checkout(plan, returned))
        return _page_of(len(self._checkouts))

    async def find_abandoned(self, checkout_id: str) -> Returned | None:
        self._answer()
        held = self._find(checkout_id)
        return replace(held.returned, state=CheckoutState.OPEN) if held else None

    async def finish(self, psp_session_id: str) -> Returned | None:
        self._answer()
        held = self._find(psp_session_id.removeprefix("cs_"))
        return held.returned if held else None

    async def subscriptions(self, client_id: str) -> Sequence[Subscription]:
        self._answer()
        return tuple(reversed(self._subscriptions.get(client_id, [])))

    async def cancel(self, client_id: str, subscription_id: str) -> bool:
        return self._change(client_id, subscription_id, SubscriptionStatus.CANCELING)

    async def resume(self, client_id: str, subscription_id: str) -> bool:
        return self._change(client_id, subscription_id, SubscriptionStatus.ACTIVE)

    def settle(self, psp_session_id: str, state: CheckoutState) -> None:
        """Let the provider see the checkout in the state; PAID gives the subscription."""
        number = int(psp_session_id.removeprefix("cs_"))
        held = self._checkouts[number - 1]
        returned = replace(held.returned, state=state)
        self._checkouts[number - 1] = replace(held, returned=returned)
        if state is CheckoutState.PAID:
            self.subscribe(returned.client_id, held.plan)

    def subscribe(
        self,
        client_id: str,
        plan: Plan,
        status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
    ) -> Subscription:
        """Give the client a subscription of the plan, as if it had been bought."""
        number = sum(map(len, self._subscriptions.values())) + 1
        until_at = self.clock() + _PERIOD
        subscription = Subscription(
            id=f"subscription-{number}",
            psp_sub_id=f"sub_{number}",
            status=status,
            plan_names=(plan.name,),
            plan_ids=(plan.id,),
            until_at=until_at,
            cancel_at=until_at if status is SubscriptionStatus.CANCELING else None,
        )
        self._subscriptions.setdefault(client_id, []).append(subscription)
        return subscription

    def _change(self, client_id: str, subscription_id: str, status: SubscriptionStatus) -> bool:
        self._answer()
        rows = self._subscriptions.get(client_id, [])
        for index, held in enumerate(rows):
            if held.id == subscription_id:
                if self.is_refusing or held.status is SubscriptionStatus.ENDED:
                    raise ProviderRefusedError("this subscription cannot be changed")
                cancel_at = held.until_at if status is SubscriptionStatus.CANCELING else None
                rows[index] = replace(held, status=status, cancel_at=cancel_at)
                return True
        return False

    def _live(self, client_id: str) -> list[Subscription]:
        rows = self._subscriptions.get(client_id, [])
        return [row for row in rows if row.status is not SubscriptionStatus.ENDED]

    def _find(self, checkout_id: str) -> _Checkout | None:
        known = {str(number): held for number, held in enumerate(self._checkouts, 1)}
        return known.get(checkout_id)

    def _answer(self) -> None:
        if self.is_down:
            raise UnavailableError("the provider is down")


def _page_of(number: int) -> Hosted:
    return Hosted(f"https://pay.example/cs_{number}")
