"""The table of pages, mounted on the control application."""

from aiohttp import web
from aiohttp.typedefs import Handler

from checkout_pages.account import AccountPages
from checkout_pages.checkout import CheckoutPages
from checkout_pages.guard import guard_pages, only_on
from checkout_pages.ports import Account, Clock, PageSettings, Shop, Visitors
from checkout_pages.render import set_up_templates
from checkout_pages.sign_in import SignInPages
from checkout_pages.visit import Desk, see


def add_pages(
    app: web.Application,
    shop: Shop,
    account: Account,
    visitors: Visitors,
    settings: PageSettings,
    wall: Clock,
) -> None:
    """Mount every page. `wall` is the machine's clock, by which signed targets end.

    Pages answer on the gateway's own host alone, and `/.tollway/` on the apps' hosts.
    """
    desk = Desk(visitors, settings, wall)
    sign_in, checkout, own_account = (
        SignInPages(desk),
        CheckoutPages(desk, shop),
        AccountPages(desk, account),
    )
    set_up_templates(app, settings.public_url, is_demo=settings.demo is not None)
    app.middlewares.append(guard_pages(settings))

    async def to_account(_request: web.Request) -> web.StreamResponse:
        return see(f"{settings.public_url}/account")

    def own(handler: Handler) -> Handler:
        return only_on(settings.public_host, handler)

    app.add_routes(
        [
            web.get("/", own(own_account.front)),
            web.get("/sign-in", own(sign_in.show)),
            web.post("/sign-in", own(sign_in.sign_in)),
            web.get("/checkout", own(checkout.show)),
            web.post("/checkout", own(checkout.begin)),
            web.get("/checkout/return", own(checkout.come_back)),
            web.get("/checkout/cancelled", own(checkout.abandoned)),
            web.get("/account", own(own_account.show)),
            web.post("/account/cancel", own(own_account.cancel)),
            web.post("/account/end", own(own_account.end)),
            web.post("/account/resume", own(own_account.resume)),
            web.post("/account/change", own(own_account.change)),
            web.post("/account/mend", own(own_account.mend)),
            web.post("/sign-out", own(own_account.sign_out)),
            # A HEAD would use the ticket up and let nobody in.
            web.get("/.tollway/enter", sign_in.enter, allow_head=False),
            web.get("/.tollway/account", to_account),
        ]
    )
