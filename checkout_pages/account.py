"""The visitor's own pages: what there is, what is paid for, and signing out."""

from collections.abc import Awaitable
from http import HTTPStatus

from aiohttp import web

from billing.errors import (
    NotFoundError,
    NotPossibleError,
    PaymentNeededError,
    ProviderRefusedError,
    UnknownPlanError,
)
from checkout_pages.forms import count_of
from checkout_pages.ports import Account
from checkout_pages.render import render, render_message
from checkout_pages.visit import Desk, SignedIn, see, sign_in_path


class AccountPages:
    """The front page and the account."""

    def __init__(self, desk: Desk, account: Account) -> None:
        self._desk = desk
        self._account = account

    async def front(self, request: web.Request) -> web.Response:
        """Show the apps behind this gateway."""
        signed_in = await self._desk.find_signed_in(request)
        return render(
            request,
            "front.html",
            apps=self._desk.settings.apps,
            visitor=signed_in.visitor if signed_in else None,
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show who is signed in and what they pay for."""
        signed_in = await self._desk.find_signed_in(request)
        if signed_in is None:
            return see(sign_in_path(""))
        settings = self._desk.settings
        demo = settings.demo
        issue_token = demo.issue_token if demo else None
        client_id = signed_in.visitor.client_id
        programs = next((app for app in settings.apps if app.id == "api"), settings.apps[0])
        return render(
            request,
            "account.html",
            visitor=signed_in.visitor,
            subscriptions=await self._account.subscriptions(client_id),
            bought=await self._account.bought_for_ever(client_id),
            csrf=self._desk.csrf(signed_in),
            apps=settings.apps,
            sandbox_url=demo.sandbox_url if demo else "",
            token=issue_token(signed_in.visitor.name) if issue_token else "",
            programs_url=programs.url,
        )

    async def cancel(self, request: web.Request) -> web.Response:
        """Let a subscription end with its paid period."""
        signed_in, form = await self._desk.read_form(request)
        wish = self._account.cancel(signed_in.visitor.client_id, form.get("subscription", ""))
        return await self._change(request, signed_in, wish)

    async def end(self, request: web.Request) -> web.Response:
        """End a subscription now, so that its plan can be bought anew."""
        signed_in, form = await self._desk.read_form(request)
        wish = self._account.end(signed_in.visitor.client_id, form.get("subscription", ""))
        return await self._change(request, signed_in, wish)

    async def resume(self, request: web.Request) -> web.Response:
        """Take a cancellation back."""
        signed_in, form = await self._desk.read_form(request)
        wish = self._account.resume(signed_in.visitor.client_id, form.get("subscription", ""))
        return await self._change(request, signed_in, wish)

    async def change(self, request: web.Request) -> web.Response:
        """Change a subscription into another plan or number."""
        signed_in, form = await self._desk.read_form(request)
        wish = self._account.change(
            signed_in.visitor.client_id,
            form.get("subscription", ""),
            form.get("plan", ""),
            count_of(form),
        )
        return await self._change(request, signed_in, wish)

    async def mend(self, request: web.Request) -> web.Response:
        """Send the visitor to the provider's page, where a payment is mended."""
        signed_in, _ = await self._desk.read_form(request)
        url = await self._account.mend(signed_in.visitor.client_id)
        if url is None:
            raise web.HTTPNotFound
        return see(url)

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session here and on every app's host."""
        signed_in, _ = await self._desk.read_form(request)
        await self._desk.visitors.sign_out(signed_in.token)
        answer = see("/")
        answer.del_cookie(
            self._desk.settings.session_cookie,
            path="/",
            secure=self._desk.settings.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return answer

    async def _change(
        self, request: web.Request, signed_in: SignedIn, wish: Awaitable[None]
    ) -> web.Response:
        try:
            await wish
        except NotFoundError as error:
            raise web.HTTPNotFound from error
        except PaymentNeededError as error:
            return self._ask_to_pay(request, signed_in, error.url)
        except (ProviderRefusedError, NotPossibleError, UnknownPlanError):
            return render_message(
                request,
                "That was not possible",
                "This subscription cannot be changed so. Nothing was charged.",
                HTTPStatus.CONFLICT,
                links=(("", "/account", "Your account"),),
            )
        return see("/account")

    def _ask_to_pay(
        self, request: web.Request, signed_in: SignedIn, url: str | None
    ) -> web.Response:
        """Say that the change waits for its price, and where that can be paid."""
        title = "The difference is not paid yet"
        why = "Your card was declined, or your bank wants to hear from you. Nothing has changed"
        if url is None:
            return render(
                request,
                "held.html",
                HTTPStatus.PAYMENT_REQUIRED,
                title=title,
                text=f"{why}: put in another card at the provider, and open the app again.",
                button="Use another card",
                action="/account/mend",
                fields=(("csrf", self._desk.csrf(signed_in)),),
            )
        return render_message(
            request,
            title,
            f"{why}; the change holds as soon as the difference is paid.",
            HTTPStatus.PAYMENT_REQUIRED,
            links=(("pay-difference", url, "Pay the difference"), ("", "/account", "Your account")),
        )
