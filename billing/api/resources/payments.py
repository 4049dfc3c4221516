"""Payments and refunds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import structlog

from billing.api import problems
from billing.api.call import NOBODYS, Aim, Answer, Binding, Call
from billing.api.cursor import no_cursor, read_text, write_text
from billing.api.lists import next_url_of
from billing.api.models import money
from billing.api.places import Places
from billing.api.ports import Payments, Plans, Portal, Refunds, Seller
from billing.api.problems import ProblemError
from billing.api.resources.aims import app_of, concerns
from billing.api.resources.clients import check_open_client
from billing.errors import BillingError, NotFoundError
from billing.model import AlreadyHeld, Remedy, Settling
from billing.storage.pool import Database
from billing.views import PaymentView

_log = structlog.get_logger("billing.api")

# Whoever has the portal's address sees the client's invoices.
_PORTAL: Final = "portal:write"
_REMEDIES: Mapping[Remedy, str] = {
    Remedy.NOTHING: "The client has this plan.",
    Remedy.MEND: "The client has this plan, and its payment has to be mended in the portal.",
    Remedy.RESUME: "The client has this plan, cancelled; resume its subscription.",
    Remedy.CHANGE: "The client pays for a part of this plan; change its subscription.",
    Remedy.END: "The client has this plan, but its payment went back or did not come, so that it"
    " opens nothing; end its subscription now, and buy anew.",
}


class Checkouts:
    """Opens checkouts for whoever starts a payment or a subscription."""

    def __init__(
        self,
        seller: Seller,
        payments: Payments,
        portal: Portal,
        database: Database,
        places: Places,
    ) -> None:
        self._seller = seller
        self._payments = payments
        self._portal = portal
        self._database = database
        self._places = places

    async def open(
        self, call: Call, client_id: str, plan: str, quantity: int, return_url: str | None
    ) -> PaymentView:
        """Return the payment that now waits for the client.

        Raises:
            ProblemError: the client is not there, has the plan, or has ordered it.
        """
        place = self._places.get(return_url)
        await check_open_client(self._database, client_id)
        begun = await self._seller.begin(
            client_id,
            plan,
            return_host=place.host,
            return_to=place.target,
            quantity=quantity,
            key=call.command_key if call.key is not None else None,
        )
        if isinstance(begun, AlreadyHeld):
            raise ProblemError(
                problems.ALREADY_HELD,
                _REMEDIES[begun.remedy],
                url=await self._find_cure(call, client_id, begun.remedy, place.url),
                subscription_id=begun.subscription_id,
            )
        if isinstance(begun, Settling):
            raise ProblemError(problems.PAYMENT_SETTLING)
        payment = await self._payments.find_payment(begun.id)
        if payment is None:
            raise NotFoundError("the checkout is gone")
        return payment

    async def _find_cure(
        self, call: Call, client_id: str, remedy: Remedy, return_url: str
    ) -> str | None:
        """Return where the client can mend its payment, if the caller may send it there."""
        if remedy is not Remedy.MEND or _PORTAL not in call.caller.scopes:
            return None
        try:
            return await self._portal.open(client_id, return_url)
        except BillingError as error:
            # What was asked is answered without it; the portal can still be asked for by itself.
            _log.warning("portal_not_opened", why=str(error), request_id=call.request_id)
            return None


class PaymentCalls:
    """Carries the calls about payments out."""

    def __init__(
        self, checkouts: Checkouts, payments: Payments, refunds: Refunds, plans: Plans, url: str
    ) -> None:
        self._checkouts = checkouts
        self._payments = payments
        self._refunds = refunds
        self._plans = plans
        self._url = url

    def bindings(self) -> Mapping[str, Binding]:
        """Return what carries each operation out."""
        return {
            "start_payment": Binding(self._aim_at_new, self._start),
            "list_payments": Binding(self._aim_at_list, self._list),
            "get_payment": Binding(self._aim_at_one, self._get),
            "refund_payment": Binding(self._aim_at_refund, self._refund),
        }

    async def _aim_at_new(self, call: Call) -> Aim:
        body = call.told(money.StartPayment)
        return Aim(body.client_id, app_of(call, self._plans, (body.plan,), every=True))

    async def _aim_at_list(self, call: Call) -> Aim:
        return Aim(call.asked(money.PaymentQuery).client_id)

    async def _aim_at_one(self, call: Call) -> Aim:
        return await self._aim_at_payment(call, every=False)

    async def _aim_at_refund(self, call: Call) -> Aim:
        return await self._aim_at_payment(call, every=True)

    async def _aim_at_payment(self, call: Call, *, every: bool) -> Aim:
        """Return whose payment it is; `every` plan that it is for has to be an app's, or one."""
        payment = await self._payments.find_payment(call.path["payment_id"])
        if payment is None:
            return NOBODYS
        plans = [plan for plan, _ in payment.bought]
        return Aim(payment.client_id, app_of(call, self._plans, plans, every=every))

    async def _start(self, call: Call) -> Answer:
        body = call.told(money.StartPayment)
        payment = await self._checkouts.open(
            call, body.client_id, body.plan, body.quantity, body.return_url
        )
        return Answer(self._told(call, payment), f"/payments/{payment.id}")

    async def _list(self, call: Call) -> Answer:
        query = call.asked(money.PaymentQuery)
        try:
            page = await self._payments.list_payments(
                client_id=query.client_id,
                app_id=call.app_id,
                cursor=read_text(query.cursor),
                limit=query.limit,
            )
        except NotFoundError:
            raise no_cursor() from None
        cursor = write_text(page.cursor) if page.cursor is not None else None
        url = next_url_of(f"{self._url}/payments", query, cursor)
        items = [self._told(call, payment) for payment in page.payments]
        return Answer(money.PaymentPage(items=items, next=url))

    async def _get(self, call: Call) -> Answer:
        payment = await self._payments.find_payment(call.path["payment_id"])
        if payment is None:
            raise ProblemError(problems.NO_SUCH_THING)
        return Answer(self._told(call, payment))

    async def _refund(self, call: Call) -> Answer:
        body = call.told(money.GiveBack)
        payment_id = call.path["payment_id"]
        refund = await self._refunds.refund(
            payment_id, body.amount_minor, body.reason, call.cause, call.command_key
        )
        # What a refund came to stands with its payment.
        return Answer(money.Refund.model_validate(refund), f"/payments/{payment_id}")

    def _told(self, call: Call, payment: PaymentView) -> money.Payment:
        """Tell of the payment; an app hears of its own plan where several were paid at once."""
        if call.app_id is not None:
            for plan, quantity in payment.bought:
                if concerns(self._plans, plan, call.app_id):
                    payment = replace(payment, plan=plan, quantity=quantity)
                    break
        return money.Payment.model_validate(payment)
