"""Products, prices and payment methods by the API."""

import pytest
import stripe

from demo.sandbox.catalog import load_catalog
from tests.support.stripe_account import CATALOG, Account, Body


async def _price(account: Account, **params: object) -> Body:
    product = await account.post("products", name="Atlas")
    return await account.post(
        "prices",
        product=product["id"],
        currency="eur",
        unit_amount=700,
        **params,
    )


async def test_price_of_the_api_can_be_subscribed_to(account: Account) -> None:
    price = await _price(account, recurring={"interval": "month", "interval_count": 3})
    customer = await account.customer()

    subscription = await account.post(
        "subscriptions", customer=customer["id"], items=[{"price": price["id"]}]
    )

    assert subscription["items"]["data"][0]["price"] == price
    assert price["recurring"]["interval_count"] == 3


async def test_price_without_a_rhythm_is_paid_once(account: Account) -> None:
    price = await _price(account)

    assert (price["type"], price["recurring"]) == ("one_time", None)


async def test_prices_are_found_by_their_lookup_keys(account: Account) -> None:
    price = await _price(account, lookup_key="atlas")
    await _price(account, lookup_key="globe")

    assert await account.all("prices", lookup_keys=["atlas", "nothing"]) == [price]


async def test_lookup_key_is_moved_only_if_that_is_said(account: Account) -> None:
    first = await _price(account, lookup_key="atlas")
    with pytest.raises(stripe.InvalidRequestError, match="lookup key"):
        await _price(account, lookup_key="atlas")

    second = await _price(account, lookup_key="atlas", transfer_lookup_key=True)

    assert await account.all("prices", lookup_keys=["atlas"]) == [second]
    assert (await account.get(f"prices/{first['id']}"))["lookup_key"] is None


@pytest.mark.parametrize(("active", "found"), [(True, False), (False, True)])
async def test_prices_are_listed_by_whether_they_are_sold(
    account: Account, *, active: bool, found: bool
) -> None:
    price = await _price(account)
    await account.post(f"prices/{price['id']}", active=False)

    listed = await account.all("prices", product=price["product"], active=active)

    assert bool(listed) is found


async def test_inactive_price_is_sold_to_nobody(account: Account) -> None:
    price = await _price(account, recurring={"interval": "month"})
    await account.post(f"prices/{price['id']}", active=False)
    customer = await account.customer()

    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        await account.post("subscriptions", customer=customer["id"], items=[{"price": price["id"]}])


async def test_next_start_leaves_prices_of_the_api_for_sale(account: Account) -> None:
    price = await _price(account)

    load_catalog(account.ledger, list(CATALOG[1:]), account.now_s())

    assert (await account.get(f"prices/{price['id']}"))["active"]
    assert not (await account.get(f"prices/{CATALOG[0].price_id}"))["active"]


async def test_product_can_be_renamed(account: Account) -> None:
    product = await account.post("products", name="Atlas", id="prod_atlas")

    await account.post("products/prod_atlas", name="Globe", metadata={"feature": "maps"})

    found = await account.get("products/prod_atlas")
    assert (product["name"], found["name"], found["metadata"]) == (
        "Atlas",
        "Globe",
        {"feature": "maps"},
    )
    assert (await account.event_types("product"))[-2:] == ["product.created", "product.updated"]


async def test_card_is_attached_and_detached(account: Account) -> None:
    customer = await account.customer(None)
    made = await account.post(
        "payment_methods",
        type="card",
        card={"number": "5555555555554444", "exp_month": 3, "exp_year": 2048, "cvc": "123"},
    )

    attached = await account.post(f"payment_methods/{made['id']}/attach", customer=customer["id"])
    listed = await account.all("payment_methods", customer=customer["id"], type="card")
    await account.post(f"payment_methods/{made['id']}/detach")

    assert (made["customer"], attached["customer"]) == (None, customer["id"])
    assert listed == [attached]
    assert (attached["card"]["brand"], attached["card"]["exp_year"]) == ("mastercard", 2048)
    assert await account.all("payment_methods", customer=customer["id"]) == []


async def test_card_of_another_customer_is_refused(account: Account) -> None:
    owner, other = await account.customer(), await account.customer(None)
    method = owner["invoice_settings"]["default_payment_method"]

    with pytest.raises(stripe.InvalidRequestError):
        await account.post(f"payment_methods/{method}/attach", customer=other["id"])
    with pytest.raises(stripe.InvalidRequestError):
        await account.post(
            "subscriptions",
            customer=other["id"],
            items=[{"price": "price_month"}],
            default_payment_method=method,
        )


async def test_card_that_is_none_is_refused(account: Account) -> None:
    with pytest.raises(stripe.CardError):
        await account.post("payment_methods", type="card", card={"number": "4242"})
