"""Cancelling: the app is closed at period end, which the sandbox's clock can show.

The clock is the product's own, so this story has a product to itself.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.test_story import buy
from tests.support.product import Product, start_product

pytestmark = pytest.mark.browser


@pytest.fixture
async def own_product(tmp_path: Path) -> AsyncIterator[Product]:
    running = await start_product(tmp_path / "data")
    yield running
    await running.stop()


async def test_cancelled_subscription_closes_the_app_at_period_end(
    own_product: Product, page: Page, screens: Path
) -> None:
    await buy(page, own_product)
    await page.goto(own_product.url("checkout", "/account"))
    await page.get_by_test_id(re.compile("^cancel-")).click()
    await expect(
        page.get_by_text(re.compile("stays open until", re.IGNORECASE)).first
    ).to_be_visible()
    await page.screenshot(path=screens / "7-account.png")
    await page.goto(own_product.url("notes"))
    await expect(page.get_by_test_id("entitlement-headers")).to_contain_text("canceling")

    await page.goto(own_product.sandbox_url)
    await page.get_by_test_id("advance-31").click()
    await page.wait_for_load_state()
    await page.screenshot(path=screens / "9-sandbox.png")
    await page.goto(own_product.url("notes"))

    await expect(page.get_by_test_id("choose-reader")).to_be_visible()


async def test_subscription_that_is_not_cancelled_renews(own_product: Product, page: Page) -> None:
    await buy(page, own_product)

    await page.goto(own_product.sandbox_url)
    await page.get_by_test_id("advance-31").click()
    await page.wait_for_load_state()
    # The renewal's webhook may still be on its way; the page is asked for again until then.
    headers = page.get_by_test_id("entitlement-headers")
    for _ in range(50):
        await page.goto(own_product.url("notes"))
        if await headers.is_visible():
            break

    await expect(headers).to_contain_text("active")
