"""Subscriptions: begun, changed and ended."""

from collections.abc import Mapping

from billing.api import problems
from billing.api.call import NOBODYS, Aim, Answer, Binding, Call
from billing.api.models import money
from billing.api.models.problem import FieldError
from billing.api.ports import Changes, Plans
from billing.api.problems import ProblemError
from billing.api.resources.aims import app_of, concerns
from billing.api.resources.clients import check_client, check_open_client
from billing.api.resources.payments import Checkouts
from billing.model import Interval
from billing.storage.pool import Database
from billing.views import PaymentView, SubscriptionView
from policies.model import SubscriptionStatus


class SubscriptionCalls:
    """Carries the calls about subscriptions out."""

    def __init__(
        self, checkouts: Checkouts, changes: Changes, database: Database, plans: Plans
    ) -> None:
        self._checkouts = checkouts
        self._changes = changes
        self._database = database
        self._plans = plans

    def bindings(self) -> Mapping[str, Binding]:
        """Return what carries each operation out."""
        return {
            "save_subscription": Binding(self._aim_at_wish, self._save),
            "list_subscriptions": Binding(self._aim_at_list, self._list),
            "end_subscription": Binding(self._aim_at_one, self._end),
        }

    async def _aim_at_wish(self, call: Call) -> Aim:
        wish = call.told(money.SaveSubscription)
        _check(wish)
        plans: list[str | None] = [wish.plan] if wish.plan is not None else []
        if wish.subscription_id is not None:
            held = await self._changes.find_view(wish.subscription_id)
            if held is None or held.client_id != wish.client_id:
                return NOBODYS
            plans += [item.plan for item in held.items]
        elif wish.plan is None:
            # Which one is meant is looked for among those the caller may touch.
            return Aim(wish.client_id, call.app_id)
        return Aim(wish.client_id, app_of(call, self._plans, plans, every=True))

    async def _aim_at_list(self, call: Call) -> Aim:
        return Aim(call.path["id"])

    async def _aim_at_one(self, call: Call) -> Aim:
        held = await self._changes.find_view(call.path["id"])
        if held is None:
            return NOBODYS
        plans = [item.plan for item in held.items]
        return Aim(held.client_id, app_of(call, self._plans, plans, every=True))

    async def _save(self, call: Call) -> Answer:
        wish = call.told(money.SaveSubscription)
        if wish.subscription_id is None and wish.plan is not None:
            return await self._begin(call, wish, wish.plan)
        await check_open_client(self._database, wish.client_id)
        held_id = wish.subscription_id or await self._find_only(call, wish.client_id)
        if wish.cancel_at_period_end is None:
            held = await self._changes.change(
                wish.client_id,
                held_id,
                plan_id=wish.plan,
                quantity=wish.quantity,
                item=wish.item,
                cause=call.cause,
                key=call.command_key,
            )
        elif wish.cancel_at_period_end:
            held = await self._changes.cancel(
                wish.client_id, held_id, at_period_end=True, cause=call.cause, key=call.command_key
            )
        else:
            held = await self._changes.resume(
                wish.client_id, held_id, cause=call.cause, key=call.command_key
            )
        return Answer(self._told(call, held))

    async def _begin(self, call: Call, wish: money.SaveSubscription, plan: str) -> Answer:
        if self._plans.get(plan).interval is Interval.ONCE:
            told = FieldError(pointer="/plan", detail="This is paid once: POST /payments sells it.")
            raise ProblemError(problems.IMPOSSIBLE, errors=[told])
        payment = await self._checkouts.open(
            call, wish.client_id, plan, wish.quantity or 1, wish.return_url
        )
        return Answer(_pending(payment))

    async def _find_only(self, call: Call, client_id: str) -> str:
        """Return the client's only live subscription, of those that the caller may touch."""
        live = [
            held
            for held in await self._changes.list_views(client_id, call.app_id)
            if held.status is not SubscriptionStatus.ENDED
        ]
        if len(live) != 1:
            detail = f"The client has {len(live)} live subscriptions: say which one is meant."
            told = FieldError(pointer="/subscription_id", detail=detail)
            raise ProblemError(problems.IMPOSSIBLE, errors=[told])
        plans = [item.plan for item in live[0].items]
        if app_of(call, self._plans, plans, every=True) != call.app_id:
            raise ProblemError(problems.NO_SUCH_THING)
        return live[0].id

    async def _list(self, call: Call) -> Answer:
        client_id = call.path["id"]
        await check_client(self._database, client_id)
        views = await self._changes.list_views(client_id, call.app_id)
        items = [self._told(call, view) for view in views]
        return Answer(money.SubscriptionList(items=items))

    async def _end(self, call: Call) -> Answer:
        held = await self._changes.find_view(call.path["id"])
        if held is None:
            raise ProblemError(problems.NO_SUCH_THING)
        ended = await self._changes.cancel(
            held.client_id,
            held.id,
            at_period_end=call.asked(money.EndQuery).at_period_end,
            cause=call.cause,
            key=call.command_key,
        )
        return Answer(self._told(call, ended))

    def _told(self, call: Call, view: SubscriptionView) -> money.Subscription:
        """Tell of the subscription; an app hears of the items alone that are of its own plans."""
        app_id = call.app_id
        shown = [
            item
            for item in view.items
            if app_id is None or concerns(self._plans, item.plan, app_id)
        ]
        return money.Subscription(
            id=view.id,
            client_id=view.client_id,
            status=view.status.value,
            items=[money.SubscriptionItem.model_validate(item) for item in shown],
            shared=len(shown) < len(view.items),
            started_at=view.started_at,
            cancel_at=view.cancel_at,
            ended_at=view.ended_at,
            payment_id=None,
            checkout_url=None,
        )


def _check(wish: money.SaveSubscription) -> None:
    """Refuse a wish for nothing, or for two things of which one could fail."""
    changes = wish.plan is not None or wish.quantity is not None
    errors = []
    if wish.cancel_at_period_end is not None and changes:
        detail = "Change the subscription and its cancellation in two calls."
        errors.append(FieldError(pointer="/cancel_at_period_end", detail=detail))
    if wish.cancel_at_period_end is None and not changes:
        errors.append(FieldError(pointer="", detail="Say what shall be different."))
    if wish.item is not None and (wish.subscription_id is None or not changes):
        detail = "An item is of a subscription_id, and has a plan or quantity to change."
        errors.append(FieldError(pointer="/item", detail=detail))
    if errors:
        raise ProblemError(problems.IMPOSSIBLE, errors=errors)


def _pending(payment: PaymentView) -> money.Subscription:
    item = money.SubscriptionItem(
        id=None,
        plan=payment.plan,
        version=None,
        quantity=payment.quantity,
        period_start=None,
        period_end=None,
        until_at=None,
    )
    return money.Subscription(
        id=None,
        client_id=payment.client_id,
        status="pending",
        items=[item],
        shared=False,
        started_at=None,
        cancel_at=None,
        ended_at=None,
        payment_id=payment.id,
        checkout_url=payment.checkout_url,
    )
