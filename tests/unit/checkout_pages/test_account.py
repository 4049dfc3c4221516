"""The account, signing out, and what every page carries."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.model import Subscription
from policies.model import SubscriptionStatus as S
from tests.support.pages import SETTINGS, Pages, csrf_of
from tests.support.snapshots import NOW
from tests.unit.checkout_pages.conftest import Start


def held(status: S = S.ACTIVE, **changes: object) -> Subscription:
    until = NOW + timedelta(days=23)
    made = Subscription("s-1", "sub_1", status, ("Reader",), ("reader",), until, None)
    return replace(made, **changes)  # type: ignore[arg-type] # by name


async def test_account_tells_who_is_signed_in_and_what_is_paid(pages: Pages) -> None:
    ann = await pages.sign_in()
    pages.shop.held[ann.client_id] = [held()]

    answer = await pages.ask("/account")

    assert answer.status == 200
    assert "<h1>ann</h1>" in answer.text
    assert "Reader" in answer.text
    assert "Paid." in answer.text


@pytest.mark.parametrize(
    ("status", "words", "button"),
    [
        (S.ACTIVE, "Paid.", "cancel-s-1"),
        (S.TRIALING, "On trial.", "cancel-s-1"),
        (S.PAST_DUE, "stays open until 24 December 2026, 12:00 UTC", "cancel-s-1"),
        (S.CANCELING, "Cancelled; stays open until 24 December 2026, 12:00 UTC.", "resume-s-1"),
        (S.UNPAID, "Unpaid", None),
        (S.PAUSED, "Paused", None),
        (S.ENDED, "Ended.", None),
    ],
)
async def test_state_is_told_in_words_with_what_can_be_done(
    pages: Pages, status: S, words: str, button: str | None
) -> None:
    ann = await pages.sign_in()
    pages.shop.held[ann.client_id] = [held(status)]

    answer = await pages.ask("/account")

    assert words in answer.text
    for test_id in ("cancel-s-1", "resume-s-1"):
        assert (test_id in answer.text) is (test_id == button)


@pytest.mark.parametrize("path", ["/account/cancel", "/account/resume"])
@pytest.mark.parametrize(("subscription", "status"), [("s-1", 303), ("s-2", 404), ("", 404)])
async def test_only_ones_own_subscription_is_changed(
    pages: Pages, path: str, subscription: str, status: int
) -> None:
    ann = await pages.sign_in()
    pages.shop.held[ann.client_id] = [held()]
    pages.shop.held["client-of-bea"] = [held(id="s-2")]
    page = await pages.ask("/account")

    answer = await pages.post(path, {"subscription": subscription, "csrf": csrf_of(page.text)})

    assert answer.status == status


async def test_provider_that_refuses_a_change_is_told(pages: Pages) -> None:
    ann = await pages.sign_in()
    pages.shop.held[ann.client_id] = [held()]
    pages.shop.refuses = True

    answer = await pages.post("/account/cancel", {"subscription": "s-1"})

    assert answer.status == 409


async def test_signing_out_ends_the_session_and_takes_the_cookie_away(pages: Pages) -> None:
    await pages.sign_in()

    answer = await pages.post("/sign-out", {})
    after = await pages.ask("/account")

    assert answer.status == 303
    assert answer.fields["Set-Cookie"].startswith('tollway=""; ')
    assert "Max-Age=0" in answer.fields["Set-Cookie"]
    assert pages.visitors.sessions == {}
    assert (after.status, after.location) == (303, "/sign-in")


async def test_signing_out_by_a_link_is_not_possible(pages: Pages) -> None:
    await pages.sign_in()

    answer = await pages.ask("/sign-out")

    assert answer.status == 405
    assert len(pages.visitors.sessions) == 1


async def test_twin_of_the_session_cookie_locks_nobody_out(pages: Pages) -> None:
    await pages.sign_in()
    token = pages.cookies["tollway"]

    answer = await pages.ask("/account", Cookie=f"tollway=twin; tollway={token}")

    assert answer.status == 200


async def test_token_and_sandbox_are_shown_in_the_demonstration_alone(
    pages: Pages, start_pages: Start
) -> None:
    await pages.sign_in()
    in_earnest = await start_pages(replace(SETTINGS, demo=None))
    await in_earnest.sign_in()

    shown, hidden = [await p.ask("/account") for p in (pages, in_earnest)]

    assert "token-of-demo:ann" in shown.text
    assert "token-of" not in hidden.text
    assert "sandbox" not in hidden.text


async def test_name_cannot_become_a_script(pages: Pages) -> None:
    await pages.sign_in("demo:<script>alert(1)</script>")

    answer = await pages.ask("/account")

    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/sign-in"),
        ("GET", "/sign-in?to=x"),
        ("GET", "/account"),
        ("GET", "/nowhere"),
        ("HEAD", "/sign-in"),
    ],
)
async def test_every_page_forbids_framing_sniffing_and_caching(
    pages: Pages, method: str, path: str
) -> None:
    answer = await pages.ask(path, method=method)

    assert answer.fields["Cache-Control"] == "no-store"
    assert answer.fields["X-Content-Type-Options"] == "nosniff"
    assert answer.fields["Referrer-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer.fields["Content-Security-Policy"]
    assert "default-src 'none'" in answer.fields["Content-Security-Policy"]


async def test_style_is_served_and_the_policy_allows_it(pages: Pages) -> None:
    page = await pages.ask("/")
    style = await pages.ask("/assets/tollway.css")

    assert style.status == 200
    assert style.fields["Content-Type"].startswith("text/css")
    assert f'href="{SETTINGS.public_url}/assets/tollway.css"' in page.text
    assert f"style-src {SETTINGS.public_url}" in page.fields["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", ["/assets/../routes.py", "/assets/..%2froutes.py", "/assets/%2e%2e/routes.py"]
)
async def test_nothing_but_the_style_is_served(pages: Pages, path: str) -> None:
    answer = await pages.ask(path)

    assert answer.status in {403, 404}


async def test_form_that_is_too_large_is_refused(pages: Pages) -> None:
    await pages.sign_in()

    answer = await pages.post("/sign-in", {"name": "a" * 70_000})

    assert answer.status == 413


async def test_program_at_a_page_that_is_not_there_gets_no_page(pages: Pages) -> None:
    answer = await pages.ask("/nowhere", Accept="application/json")

    assert answer.status == 404
    assert "<html" not in answer.text
