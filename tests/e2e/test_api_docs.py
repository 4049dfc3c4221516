"""The page that shows the API, in a real browser that may reach this machine alone."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page

from tests.support.product import ROOT, Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("product")]


async def token_of(product: Product) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *product.token_command),
        cwd=ROOT,
        stdout=PIPE,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


async def test_a_token_opens_the_document_and_tries_a_call(product: Product, page: Page) -> None:
    troubles: list[str] = []
    asked: list[str] = []
    page.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(product.url("checkout", "/docs"))

    await page.get_by_label("Token").fill(await token_of(product))
    await page.get_by_role("button", name="Show the API").click()
    plans = page.locator("#operations-plans-list_plans")
    await plans.locator(".opblock-summary-control").click()
    await plans.get_by_role("button", name="Try it out").click()
    await plans.get_by_role("button", name="Execute").click()
    answer = plans.locator(".live-responses-table")
    await answer.wait_for()

    assert '"reader"' in await answer.inner_text()
    # The policy of the page let everything through that it needs, and it needs nobody else.
    assert troubles == []
    hosts = {urlsplit(url).hostname for url in asked if not url.startswith("data:")}
    assert hosts == {"checkout.localhost"}


async def test_without_a_good_token_nothing_is_shown(product: Product, page: Page) -> None:
    await page.goto(product.url("checkout", "/docs"))

    await page.get_by_label("Token").fill("nonsense")
    await page.get_by_role("button", name="Show the API").click()

    await page.get_by_text("the token is refused").wait_for()
    assert await page.locator(".opblock").count() == 0
