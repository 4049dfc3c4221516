"""The gateway's own pages over a real socket, with their ports in memory, fully implemented."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import aiohttp
from multidict import CIMultiDictProxy

from billing.errors import ProviderRefusedError, UnavailableError, UnknownPlanError
from billing.model import AlreadyHeld, CheckoutState, Hosted, Plan, Returned, Subscription
from checkout_pages.forms import csrf_token
from checkout_pages.ports import AppInfo, DemoMode, PageSettings, Visitor
from policies.return_url import ReturnTarget, fingerprint, sign_target
from tests.support.clock import FakeClock
from tests.support.plans import make_plan

HOST = "checkout.localhost"
URL = f"http://{HOST}:8080"
FLOW = "flow-of-the-browser"

APPS = tuple(
    AppInfo(
        name, name.title(), f"About {name}.", f"{name}.localhost", f"http://{name}.localhost:8080"
    )
    for name in ("notes", "wiki")
)
SETTINGS = PageSettings(
    public_url=URL,
    public_host=HOST,
    signing_key=b"k" * 32,
    session_cookie="tollway",
    flow_cookie="tollway-flow",
    session_ttl_s=3600,
    apps=APPS,
    demo=DemoMode("http://127.0.0.1:9/sandbox", lambda name: f"token-of-{name}"),
)


@dataclass
class _Ticket:
    token: str
    host: str
    target: str
    fingerprint: str
    expires_at: datetime


class MemoryVisitors:
    """Sessions by (token, host), and tickets good for a minute; `is_down` is an outage."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.is_down = False
        self.sessions: dict[str, tuple[Visitor, str]] = {}
        self.tickets: dict[str, _Ticket] = {}

    async def find(self, token: str) -> Visitor | None:
        self._answer()
        visitor, host = self.sessions.get(token, (None, ""))
        return visitor if host == HOST else None

    async def sign_in(self, external_id: str) -> str:
        self._answer()
        token = secrets.token_urlsafe(16)
        self.sessions[token] = (Visitor(f"client-of-{external_id}", external_id), HOST)
        return token

    async def sign_out(self, token: str) -> None:
        self._answer()
        self.sessions.pop(token, None)

    async def issue_ticket(self, token: str, *, host: str, target: str, fingerprint: str) -> str:
        self._answer()
        ticket = secrets.token_urlsafe(16)
        until = self.clock() + timedelta(minutes=1)
        self.tickets[ticket] = _Ticket(token, host, target, fingerprint, until)
        return ticket

    async def enter(self, ticket: str, *, host: str, fingerprint: str) -> tuple[str, str] | None:
        self._answer()
        kept = self.tickets.get(ticket)
        if kept is None or kept.expires_at <= self.clock():
            return None
        if (kept.host, kept.fingerprint) != (host, fingerprint) or kept.token not in self.sessions:
            return None
        del self.tickets[ticket]
        token = secrets.token_urlsafe(16)
        self.sessions[token] = (self.sessions[kept.token][0], host)
        return token, kept.target

    def _answer(self) -> None:
        if self.is_down:
            raise UnavailableError("the session store is down")


@dataclass
class _Sale:
    client_id: str
    plan: Plan
    host: str
    target: str
    state: CheckoutState = CheckoutState.OPEN


class MemoryShop:
    """Sells plans to clients; `is_down` is an outage, `refuses` is a provider that says no."""

    def __init__(self) -> None:
        self.is_down = False
        self.refuses = False
        self.for_sale = {p.id: p for p in (make_plan("reader"), make_plan("team", apps=("wiki",)))}
        self.sales: dict[str, _Sale] = {}
        self.held: dict[str, list[Subscription]] = {}

    def plans(self, app_id: str, feature: str) -> Sequence[Plan]:
        return [plan for plan in self.for_sale.values() if plan.unlocks(app_id, feature)]

    async def begin(
        self, client_id: str, plan_id: str, *, return_host: str, return_to: str
    ) -> Hosted | AlreadyHeld:
        self._answer()
        if plan_id not in self.for_sale:
            raise UnknownPlanError(plan_id)
        plan = self.for_sale[plan_id]
        if any(plan_id in held.plan_ids for held in self.held.get(client_id, [])):
            return AlreadyHeld(plan)
        sale_id = f"cs_{len(self.sales) + 1}"
        self.sales[sale_id] = _Sale(client_id, plan, return_host, return_to)
        return Hosted(f"https://pay.example/{sale_id}")

    async def find_abandoned(self, checkout_id: str) -> Returned | None:
        self._answer()
        return self._returned(checkout_id)

    async def finish(self, psp_session_id: str) -> Returned | None:
        self._answer()
        return self._returned(psp_session_id)

    async def subscriptions(self, client_id: str) -> Sequence[Subscription]:
        self._answer()
        return self.held.get(client_id, [])

    async def cancel(self, client_id: str, subscription_id: str) -> bool:
        return self._change(client_id, subscription_id)

    async def resume(self, client_id: str, subscription_id: str) -> bool:
        return self._change(client_id, subscription_id)

    def _change(self, client_id: str, subscription_id: str) -> bool:
        self._answer()
        return any(held.id == subscription_id for held in self.held.get(client_id, []))

    def _returned(self, sale_id: str) -> Returned | None:
        sale = self.sales.get(sale_id)
        return Returned(sale.state, sale.client_id, sale.host, sale.target) if sale else None

    def _answer(self) -> None:
        if self.is_down:
            raise UnavailableError("the provider is down")
        if self.refuses:
            raise ProviderRefusedError("no")


@dataclass
class Answer:
    """What came back."""

    status: int
    fields: CIMultiDictProxy[str]
    text: str

    @property
    def location(self) -> str:
        return self.fields.get("Location", "")


@dataclass
class Pages:
    """The running pages, and a browser without a will of its own."""

    base: str
    http: aiohttp.ClientSession
    visitors: MemoryVisitors
    shop: MemoryShop
    clock: FakeClock
    settings: PageSettings
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        host: str = HOST,
        form: dict[str, str] | None = None,
        **headers: str,
    ) -> Answer:
        """Ask; names of `headers` take `_` for `-`."""
        sent = {"Host": host, "Accept": "text/html"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent.setdefault("Cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items()))
        async with self.http.request(
            method, f"{self.base}{path}", headers=sent, data=form, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        """Send a form of our own page, as a browser would."""
        token = self.cookies.get(self.settings.session_cookie, "")
        csrf = {"csrf": csrf_token(token, self.settings.signing_key)} if token else {}
        return await self.ask(path, method="POST", form=csrf | form, **({"Origin": URL} | headers))

    async def sign_in(self, name: str = "demo:ann") -> Visitor:
        """Sign the browser in and return the visitor."""
        token = await self.visitors.sign_in(name)
        self.cookies[self.settings.session_cookie] = token
        return self.visitors.sessions[token][0]

    def target(self, *, key: bytes | None = None, hours: float = 1.0, **changes: str) -> str:
        """Return a signed target of the notes app, good for `hours`."""
        wanted = ReturnTarget(
            "notes.localhost", "/page?x=1", "notes", "access", "", fingerprint(FLOW)
        )
        until = self.clock() + timedelta(hours=hours)
        return sign_target(replace(wanted, **changes), key or self.settings.signing_key, until)


def csrf_of(page: str) -> str:
    """Return the token of the first form of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found is not None, page
    return found[1]
