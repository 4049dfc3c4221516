"""No page of ours leads a browser to a place of somebody else's choosing."""

import base64
import json
from urllib.parse import urlsplit

import pytest

from billing.model import CheckoutState
from policies import return_url
from policies.return_url import fingerprint
from tests.support.pages import FLOW, KEY, NOTES, PLANS, Pages

OUR_URLS = ("http://notes.example", "http://tollway.example")

HOSTILE = [
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "https://evil.example/",
    "HTTPS:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "@evil.example/",
    ".evil.example/",
    ":80@evil.example/",
    "/\t/evil.example/",
    "/\n/evil.example/",
    "\r\nLocation: https://evil.example/",
    "/page\r\nSet-Cookie: a=b",
    "/page\0",
    "/ /evil.example/",
    " //evil.example/",
    "/\N{FULLWIDTH SOLIDUS}evil.example/",
    "evil",
    "",
]


def sign_anything(target: str, browser: str = "") -> str:
    """Return a text with our signature under a target that `sign_target` would not sign."""
    facts = {
        "host": NOTES,
        "target": target,
        "app_id": "notes",
        "feature": "access",
        "browser": browser,
        "exp": 2**40,
    }
    body = json.dumps(facts).encode()
    return base64.urlsafe_b64encode(return_url._mac(body, KEY) + body).rstrip(b"=").decode()


def leads_to_us(location: str) -> bool:
    """Tell whether a browser that follows the location stays with us."""
    if location.startswith("/"):
        return not location.startswith(("//", "/\\"))
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}" in OUR_URLS


@pytest.mark.parametrize("target", HOSTILE)
async def test_a_ticket_leads_to_the_app_s_front_page_at_worst(pages: Pages, target: str) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in(), target=target)

    answer = await pages.enter(ticket)

    assert (answer.status, answer.location) == (303, "http://notes.example")


@pytest.mark.parametrize("target", HOSTILE)
async def test_a_paid_checkout_leads_to_the_app_s_front_page_at_worst(
    pages: Pages, target: str
) -> None:
    session = await pages.sign_in()
    bought = await pages.begin(session, target=target)
    pages.shop.settle(bought, CheckoutState.PAID)

    answer = await pages.get(f"/checkout/return?session_id={bought}", session=session)

    assert (answer.status, answer.location) == (303, "http://notes.example")


@pytest.mark.parametrize("target", HOSTILE)
async def test_choosing_again_leads_to_the_app_s_front_page_at_worst(
    pages: Pages, target: str
) -> None:
    session = await pages.sign_in()
    await pages.begin(session, target=target)

    answer = await pages.get("/checkout/cancelled?checkout=1", session=session)

    assert answer.links[0] == "http://notes.example"


@pytest.mark.parametrize("target", HOSTILE)
async def test_a_plan_held_already_leads_to_the_app_s_front_page_at_worst(
    pages: Pages, target: str
) -> None:
    session = await pages.sign_in()
    pages.shop.subscribe(await pages.client_of(session), PLANS[0])
    form = {"plan": "reader", "to": sign_anything(target)}

    answer = await pages.submit("/checkout", form, session=session)

    assert answer.links[0] == "http://notes.example"


@pytest.mark.parametrize("target", HOSTILE)
@pytest.mark.parametrize("browser", ["", fingerprint(FLOW)])
async def test_signing_in_stays_with_us(pages: Pages, target: str, browser: str) -> None:
    form = {"name": "alice", "to": sign_anything(target, browser)}

    answer = await pages.post("/sign-in", form)

    assert (answer.status, leads_to_us(answer.location)) == (303, True)


async def test_percent_encoded_line_ends_stay_within_the_path(pages: Pages) -> None:
    target = "/%0d%0aLocation:%20https://evil.example/"
    ticket = await pages.issue_ticket(await pages.sign_in(), target=target)

    answer = await pages.enter(ticket)

    assert answer.headers.getall("Location") == [f"http://notes.example{target}"]


async def test_the_app_of_a_checkout_may_be_gone(pages: Pages) -> None:
    session = await pages.sign_in()
    client_id = await pages.client_of(session)
    await pages.shop.begin(client_id, "reader", return_host="gone.example", return_to="/page")
    pages.shop.settle("cs_1", CheckoutState.PAID)

    answer = await pages.get("/checkout/return?session_id=cs_1", session=session)

    assert (answer.status, answer.location) == (303, "http://tollway.example")


@pytest.mark.parametrize("path", ["/.tollway/account", "/.tollway/account?to=//evil.example"])
async def test_an_app_s_account_link_leads_to_the_gateway(pages: Pages, path: str) -> None:
    answer = await pages.get(path, host=NOTES)

    assert (answer.status, answer.location) == (303, "http://tollway.example/account")


@pytest.mark.parametrize(
    "session_id", ["//evil.example", "x%0d%0aRefresh:%200", "x;url=https://evil.example", "%00"]
)
async def test_an_unknown_payment_leads_nowhere(pages: Pages, session_id: str) -> None:
    session = await pages.sign_in()

    answer = await pages.get(f"/checkout/return?session_id={session_id}", session=session)

    assert (answer.status, "Location" in answer.headers) == (404, False)
    assert "Refresh" not in answer.headers
