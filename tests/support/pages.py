"""The gateway's pages on a real server, and a browser that keeps nothing by itself."""

import asyncio
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie

from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestClient
from multidict import CIMultiDictProxy
from pytest_aiohttp import AiohttpClient
from yarl import URL

from billing.model import Plan
from checkout_pages.forms import csrf_token
from checkout_pages.ports import AppInfo, DemoMode, PageSettings
from checkout_pages.routes import add_pages
from policies.return_url import ReturnTarget, fingerprint, sign_target
from tests.support.clock import FakeClock
from tests.support.plans import make_plan
from tests.support.shop import MemoryShop
from tests.support.visitors import MemoryVisitors

PUBLIC = "tollway.example"
PUBLIC_URL = "http://tollway.example"
NOTES = "notes.example"
FLOW = "flow-of-this-browser"
KEY = b"k" * 32
BODY_LIMIT_BYTES = 64 * 1024  # As the control application's.

DEMO = DemoMode("http://sandbox.example", lambda external_id: f"token-of-{external_id}")
SETTINGS = PageSettings(
    public_url=PUBLIC_URL,
    public_host=PUBLIC,
    signing_key=KEY,
    session_cookie="tollway_session",
    flow_cookie="tollway_flow",
    session_ttl_s=3600,
    apps=(
        AppInfo("notes", "Notes", "Keeps notes.", NOTES, "http://notes.example"),
        AppInfo("api", "Items", "For programs.", "api.example", "http://api.example"),
    ),
    demo=DEMO,
)
SECURE_SETTINGS = replace(
    SETTINGS,
    public_url="https://tollway.example",
    session_cookie="__Host-tollway_session",
    flow_cookie="__Host-tollway_flow",
)
PLANS = (
    make_plan("reader"),
    make_plan("writer", apps=("notes", "api")),
    make_plan("coder", apps=("api",)),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; redirects are never followed."""

    status: int
    headers: CIMultiDictProxy[str]
    body: str

    @property
    def location(self) -> str:
        """Return where a redirect leads."""
        return self.headers["Location"]

    @property
    def title(self) -> str:
        """Return the page's heading."""
        found = re.search(r"<h1>(.*?)</h1>", self.body)
        return html.unescape(found[1]) if found else ""

    @property
    def links(self) -> list[str]:
        """Return every address that the page links to."""
        return [html.unescape(link) for link in re.findall(r'<a [^>]*?href="([^"]*)"', self.body)]

    def fields(self, name: str) -> list[str]:
        """Return the values of the page's hidden fields of the name."""
        found = re.findall(rf'<input type="hidden" name="{name}" value="([^"]*)">', self.body)
        return [html.unescape(value) for value in found]

    def cookie(self, name: str) -> Morsel[str]:
        """Return the cookie that is set."""
        return SimpleCookie(self.headers["Set-Cookie"])[name]


@dataclass
class Pages:
    """Asks the pages; a session or flow cookie is sent only where a test says so."""

    client: TestClient[web.Request, web.Application]
    shop: MemoryShop
    visitors: MemoryVisitors
    settings: PageSettings
    clock: FakeClock

    async def get(
        self, path: str, *, host: str = PUBLIC, session: str = "", **headers: str
    ) -> Answer:
        """Get a page; `path` is sent as it stands, header names take `_` for `-`."""
        return await self.ask("GET", path, host=host, session=session, headers=headers)

    async def post(
        self, path: str, form: Mapping[str, str], *, session: str = "", **headers: str
    ) -> Answer:
        """Post a form from the gateway's own host."""
        return await self.ask("POST", path, session=session, form=form, headers=headers)

    async def submit(
        self, path: str, form: Mapping[str, str], *, session: str, **headers: str
    ) -> Answer:
        """Post a form that carries the session's own proof."""
        csrf = csrf_token(session, self.settings.signing_key)
        return await self.post(path, {"csrf": csrf, **form}, session=session, **headers)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        host: str = PUBLIC,
        session: str = "",
        form: Mapping[str, str] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read its answer whole."""
        sent = {"Host": host, "Accept": "text/html"}
        if session:
            sent["Cookie"] = f"{self.settings.session_cookie}={session}"
        sent |= {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        url = URL(f"http://127.0.0.1:{self.client.port}{path}", encoded=True)
        async with self.client.session.request(
            method, url, data=form, headers=sent, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def send(self, request: bytes) -> bytes:
        """Send what no well-behaved client would and return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.client.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def enter(
        self, ticket: str, *, host: str = NOTES, flow: str = FLOW, **headers: str
    ) -> Answer:
        """Open the door of an app's host with a ticket, in the browser of the flow cookie."""
        cookie = f"{self.settings.flow_cookie}={flow}"
        path = f"/.tollway/enter?ticket={ticket}"
        return await self.get(path, host=host, **{"Cookie": cookie, **headers})

    async def sign_in(self, name: str = "alice") -> str:
        """Return the token of a new session."""
        return await self.visitors.sign_in(f"demo:{name}")

    async def issue_ticket(self, session: str, *, target: str = "/page") -> str:
        """Return a ticket to the notes, for the browser of the flow cookie."""
        return await self.visitors.issue_ticket(
            session, host=NOTES, target=target, fingerprint=fingerprint(FLOW)
        )

    async def client_of(self, session: str) -> str:
        """Return the client that the session is of."""
        visitor = await self.visitors.find(session)
        assert visitor is not None
        return visitor.client_id

    async def begin(self, session: str, *, target: str = "/page?x=1") -> str:
        """Open a checkout of the reader plan and return the provider's id of it."""
        client_id = await self.client_of(session)
        begun = await self.shop.begin(client_id, "reader", return_host=NOTES, return_to=target)
        return str(getattr(begun, "url", "")).rpartition("/")[2]

    def sign(
        self,
        *,
        host: str = NOTES,
        app_id: str = "notes",
        feature: str = "access",
        browser: str = "",
        client_id: str = "",
        key: bytes = KEY,
        good_for_s: float = 600,
    ) -> str:
        """Return a signed target, as the gate makes them."""
        target = ReturnTarget(host, "/page?x=1", app_id, feature, client_id, browser)
        return sign_target(target, key, self.clock() + timedelta(seconds=good_for_s))


async def serve_pages(
    aiohttp_client: AiohttpClient,
    clock: FakeClock,
    settings: PageSettings = SETTINGS,
    plans: tuple[Plan, ...] = PLANS,
) -> Pages:
    """Serve the pages on a free port."""
    shop = MemoryShop(clock, plans)
    visitors = MemoryVisitors(clock, settings.public_host)
    app = web.Application(client_max_size=BODY_LIMIT_BYTES)
    add_pages(app, shop, shop, visitors, settings, clock)
    client = await aiohttp_client(app, cookie_jar=DummyCookieJar())
    return Pages(client, shop, visitors, settings, clock)
