"""A shop in memory: a full implementation of the ports of `checkout_pages`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from billing.errors import (
    NotFoundError,
    NotPossibleError,
    PaymentNeededError,
    ProviderRefusedError,
    UnavailableError,
    UnknownPlanError,
)
from billing.model import (
    AlreadyHeld,
    CheckoutState,
    Hosted,
    Plan,
    Remedy,
    Returned,
    Settling,
    Subscription,
)
from policies.model import SubscriptionStatus
from tests.support.clock import FakeClock

_PERIOD = timedelta(days=30)


_REMEDIES = {
    SubscriptionStatus.PAST_DUE: Remedy.MEND,
    SubscriptionStatus.UNPAID: Remedy.MEND,
    SubscriptionStatus.PAUSED: Remedy.MEND,
    SubscriptionStatus.CANCELING: Remedy.RESUME,
}


@dataclass(frozen=True, slots=True)
class _Checkout:
    plan: Plan
    returned: Returned
    quantity: int


class MemoryShop:
    """Sells the plans it was made with; a wider plan is a change of the narrower one held.

    `is_down` makes every call that leaves the process unavailable, `is_refusing` lets the
    provider refuse every sale and change, `is_declining` leaves every change of plan unpaid;
    `withdrawn` are ids of plans no longer sold.
    Checkouts are `cs_1`, `cs_2`, … to the provider and `1`, `2`, … to us.
    """

    def __init__(self, clock: FakeClock, plans: Sequence[Plan]) -> None:
        self.clock = clock
        self.is_down = False
        self.is_refusing = False
        self.is_declining = False
        self.invoice_url: str | None = "https://pay.example/invoice"
        self.withdrawn: set[str] = set()
        self.bought: dict[str, Sequence[str]] = {}
        self._plans = tuple(plans)
        self._checkouts: list[_Checkout] = []
        self._subscriptions: dict[str, list[Subscription]] = {}

    def plans(self, app_id: str, feature: str) -> Sequence[Plan]:
        return tuple(plan for plan in self._plans if plan.unlocks(app_id, feature))

    async def begin(
        self,
        client_id: str,
        plan_id: str,
        *,
        return_host: str,
        return_to: str,
        quantity: int = 1,
    ) -> Hosted | AlreadyHeld | Settling:
        self._answer()
        plan = self._get(plan_id)
        if not 1 <= quantity <= plan.max_quantity:
            raise NotPossibleError(f"at most {plan.max_quantity}")
        held = self._held(client_id, plan)
        if held is not None:
            return held
        if self.is_refusing:
            raise ProviderRefusedError("not for sale")
        for number, known in enumerate(self._checkouts, 1):
            if (known.plan.id, known.returned.client_id) != (plan_id, client_id):
                continue
            if known.returned.state is CheckoutState.SETTLING:
                return Settling(plan)
            if known.returned.state is CheckoutState.OPEN and known.quantity == quantity:
                return _page_of(number)
        returned = Returned(CheckoutState.OPEN, client_id, return_host, return_to)
        self._checkouts.append(_Checkout(plan, returned, quantity))
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

    async def bought_for_ever(self, client_id: str) -> Sequence[str]:
        self._answer()
        return self.bought.get(client_id, ())

    async def cancel(self, client_id: str, subscription_id: str) -> None:
        self._change(client_id, subscription_id, status=SubscriptionStatus.CANCELING)

    async def end(self, client_id: str, subscription_id: str) -> None:
        self._change(client_id, subscription_id, status=SubscriptionStatus.ENDED)

    async def resume(self, client_id: str, subscription_id: str) -> None:
        self._change(client_id, subscription_id, status=SubscriptionStatus.ACTIVE)

    async def change(
        self, client_id: str, subscription_id: str, plan_id: str, quantity: int
    ) -> None:
        plan = self._get(plan_id)
        if not 1 <= quantity <= plan.max_quantity:
            raise NotPossibleError(f"at most {plan.max_quantity}")
        self._change(client_id, subscription_id, plan=plan)

    async def mend(self, client_id: str) -> str | None:
        self._answer()
        has_paid = bool(self._subscriptions.get(client_id))
        return f"https://pay.example/portal/{client_id}" if has_paid else None

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
        *,
        is_open: bool = True,
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
            is_open=is_open,
            is_settling=False,
        )
        self._subscriptions.setdefault(client_id, []).append(subscription)
        return subscription

    def _change(
        self,
        client_id: str,
        subscription_id: str,
        *,
        status: SubscriptionStatus | None = None,
        plan: Plan | None = None,
    ) -> None:
        self._answer()
        rows = self._subscriptions.get(client_id, [])
        index = next((n for n, held in enumerate(rows) if held.id == subscription_id), None)
        if index is None:
            raise NotFoundError(subscription_id)
        if self.is_refusing or rows[index].status is SubscriptionStatus.ENDED:
            raise ProviderRefusedError("this subscription cannot be changed")
        if plan is not None and self.is_declining:
            raise PaymentNeededError("declined", self.invoice_url)
        if plan is not None:
            rows[index] = replace(rows[index], plan_names=(plan.name,), plan_ids=(plan.id,))
        if status is not None:
            cancel_at = rows[index].until_at if status is SubscriptionStatus.CANCELING else None
            rows[index] = replace(rows[index], status=status, cancel_at=cancel_at)

    def _held(self, client_id: str, plan: Plan) -> AlreadyHeld | None:
        """Return what the client has of the plan, as the features of both tell."""
        known = {known.id: known for known in self._plans}
        for row in self._live(client_id):
            for held in (known[plan_id] for plan_id in row.plan_ids):
                remedy = _REMEDIES.get(row.status, Remedy.NOTHING) if row.is_open else Remedy.END
                if set(plan.features) <= set(held.features):
                    return AlreadyHeld(plan, remedy, row.id)
                if set(held.features) < set(plan.features):
                    is_ill = remedy is Remedy.MEND
                    return AlreadyHeld(plan, Remedy.MEND if is_ill else Remedy.CHANGE, row.id)
        return None

    def _get(self, plan_id: str) -> Plan:
        plan = next((plan for plan in self._plans if plan.id == plan_id), None)
        if plan is None or plan_id in self.withdrawn:
            raise UnknownPlanError(plan_id)
        return plan

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
    return Hosted(f"https://pay.example/cs_{number}", str(number))
