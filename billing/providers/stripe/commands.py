"""What we ask of Stripe; a repeat with the same key changes nothing."""

from typing import Any

from billing.errors import PaymentNeededError
from billing.facts import CheckoutOrder, ProviderCheckout, SubscriptionChange
from billing.model import Interval
from billing.providers.stripe.fields import CLIENT_MARK, SITE_MARK, get_id, reading
from billing.providers.stripe.http import StripeCalls
from billing.providers.stripe.objects import to_checkout


class StripeCommands:
    """The selling half of the port; see `billing.ports.ProviderSeller`.

    `site` is this gateway's mark on what it sells, beside the client's: several of them
    may share an account.
    """

    def __init__(self, calls: StripeCalls, site: str | None) -> None:
        self._calls = calls
        self._site = site

    async def create_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        """Create a checkout session; the order's key makes a repeat return the same one."""
        plan, mark = order.plan, {CLIENT_MARK: order.client_id}
        if self._site is not None:
            mark[SITE_MARK] = self._site
        once = plan.interval is Interval.ONCE
        params: dict[str, Any] = {
            "mode": "payment" if once else "subscription",
            "line_items": [{"price": plan.psp_price_id, "quantity": order.quantity}],
            "client_reference_id": order.client_id,
            "metadata": mark,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "expand": ["line_items"],
        }
        if once:
            params["payment_intent_data"] = {"metadata": mark}
        else:
            params["subscription_data"] = {"metadata": mark}
            if order.trial_days > 0:
                params["subscription_data"]["trial_period_days"] = order.trial_days
        if order.psp_customer_id is not None:
            params["customer"] = order.psp_customer_id
        elif once:
            params["customer_creation"] = "always"
        return to_checkout(
            await self._calls.call(
                self._calls.v1.checkout.sessions.create_async(
                    params,  # type: ignore[arg-type] # the SDK's typed dict cannot be built in steps
                    {"idempotency_key": order.idempotency_key},
                )
            )
        )

    async def expire_checkout(self, psp_session_id: str) -> None:
        """Expire the session."""
        await self._calls.call(self._calls.v1.checkout.sessions.expire_async(psp_session_id))

    async def change_subscription(
        self, psp_sub_id: str, change: SubscriptionChange, *, key: str
    ) -> None:
        """Update the item; an upgrade waits as a pending update until its invoice is paid.

        Stripe answers 200 then, with `pending_update` and the open invoice, and makes the
        change by itself once that is paid (Stripe, "Pending updates", read 2026-11).
        """
        item: dict[str, Any] = {"id": change.psp_item_id}
        if change.psp_price_id is not None:
            item["price"] = change.psp_price_id
        if change.quantity is not None:
            item["quantity"] = change.quantity
        params: Any = {
            "items": [item],
            "proration_behavior": "create_prorations",
            "expand": ["latest_invoice"],
        }
        if change.is_upgrade:
            params |= {
                "proration_behavior": "always_invoice",
                "payment_behavior": "pending_if_incomplete",
            }
        body = await self._calls.call(
            self._calls.v1.subscriptions.update_async(psp_sub_id, params, {"idempotency_key": key})
        )
        with reading("subscription"):
            is_waiting, invoice = bool(body.get("pending_update")), body.get("latest_invoice")
            url = invoice.get("hosted_invoice_url") if isinstance(invoice, dict) else None
        if is_waiting:
            raise PaymentNeededError("Stripe: the difference is not paid yet", url)

    async def cancel_at_period_end(self, psp_sub_id: str, *, key: str) -> None:
        """Set `cancel_at_period_end`."""
        await self._update(psp_sub_id, {"cancel_at_period_end": True}, key)

    async def resume(self, psp_sub_id: str, *, key: str) -> None:
        """Unset `cancel_at_period_end`, or the date that the dashboard or portal has set instead.

        Either is left as it is by unsetting the other. Where neither is set, it was done.
        """
        body = await self._calls.call(self._calls.v1.subscriptions.retrieve_async(psp_sub_id))
        if body.get("cancel_at_period_end"):
            await self._update(psp_sub_id, {"cancel_at_period_end": False}, key)
        elif body.get("cancel_at"):
            await self._update(psp_sub_id, {"cancel_at": ""}, key)

    async def cancel_now(self, psp_sub_id: str, *, key: str) -> None:
        """Cancel the subscription."""
        await self._calls.call(
            self._calls.v1.subscriptions.cancel_async(psp_sub_id, {}, {"idempotency_key": key})
        )

    async def refund(self, psp_intent_id: str, amount_minor: int | None, *, key: str) -> str:
        """Create a refund."""
        params: Any = {"payment_intent": psp_intent_id}
        if amount_minor is not None:
            params["amount"] = amount_minor
        body = await self._calls.call(
            self._calls.v1.refunds.create_async(params, {"idempotency_key": key})
        )
        with reading("refund"):
            return get_id(body)

    async def open_portal(self, psp_customer_id: str, return_url: str) -> str:
        """Create a portal session."""
        body = await self._calls.call(
            self._calls.v1.billing_portal.sessions.create_async(
                {"customer": psp_customer_id, "return_url": return_url}
            )
        )
        with reading("portal session"):
            return str(body["url"])

    async def _update(self, psp_sub_id: str, params: Any, key: str) -> None:  # Any: the SDK's
        await self._calls.call(
            self._calls.v1.subscriptions.update_async(psp_sub_id, params, {"idempotency_key": key})
        )
