"""A client who is erased while a checkout of it is being opened is not led to pay."""

import pytest

from billing.errors import NotFoundError
from billing.facts import CheckoutOrder, ProviderCheckout
from billing.model import Cause, CheckoutState, Source
from billing.selling.checkout import Checkout, CheckoutUrls
from billing.storage.client_endings import close_client, erase_client
from tests.integration.billing.conftest import Shop
from tests.support.inbox import HeldProvider

CAUSE = Cause(Source.ADMIN, "operator:test")


class Erasing(HeldProvider):
    """A provider during whose answer the client is erased."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.clock)
        self._shop = shop

    async def create_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        made = await super().create_checkout(order)
        async with self._shop.database.transaction() as connection:
            await erase_client(connection, order.client_id, CAUSE, self._shop.clock())
        return made


async def test_a_page_that_is_opened_meanwhile_is_closed_and_no_other_one_is_opened(
    shop: Shop,
) -> None:
    provider = Erasing(shop)
    urls = CheckoutUrls("https://g/return", "https://g/c")
    checkout = Checkout(shop.database, provider, shop.catalog, shop.applier, shop.clock, urls)

    with pytest.raises(NotFoundError):
        await checkout.begin(shop.client_id, "reader", return_host="h", return_to="/")

    assert [made.state for made in provider.checkouts.values()] == [CheckoutState.EXPIRED]


async def test_nothing_is_sold_to_who_is_closed(shop: Shop) -> None:
    async with shop.database.transaction() as connection:
        await close_client(connection, shop.client_id, CAUSE, shop.clock())

    with pytest.raises(NotFoundError):
        await shop.open_checkout()
