"""The page of an open invoice: the card is tried, and its bank may ask."""

from tests.support.stripe_account import Account, Body, exchange


async def waiting(account: Account, card: str | None) -> Body:
    """Return the open invoice of an upgrade that the customer's card does not pay by itself."""
    subscription = await account.subscribe()
    if card is not None:
        await account.use_card(subscription["customer"], card)
    changed = await account.change(
        subscription,
        items=exchange(subscription, "month_pro"),
        proration_behavior="always_invoice",
        payment_behavior="pending_if_incomplete",
    )
    return await account.get(f"invoices/{changed['latest_invoice']}")


async def visit(account: Account, url: str, outcome: str | None = None) -> tuple[int, str]:
    """Look at the page, or press a button of it."""
    if outcome is None:
        async with account.http.get(url) as answer:
            return answer.status, await answer.text()
    async with account.http.post(url, data={"outcome": outcome}) as answer:
        return answer.status, await answer.text()


async def test_a_bank_that_asks_is_answered_on_the_page(account: Account) -> None:
    invoice = await waiting(account, "pm_card_authenticationRequired")

    _, asked = await visit(account, invoice["hosted_invoice_url"])
    _, told = await visit(account, invoice["hosted_invoice_url"], "complete")

    assert "Your bank asks" in asked
    assert "It is paid" in told
    assert (await account.get(f"invoices/{invoice['id']}"))["status"] == "paid"


async def test_a_bank_that_was_told_no_asks_again_at_the_next_try(account: Account) -> None:
    url = (await waiting(account, "pm_card_authenticationRequired"))["hosted_invoice_url"]

    pages = [(await visit(account, url, outcome))[1] for outcome in ("fail", "complete", "pay")]

    # Only what a bank asked can be answered.
    assert ["was declined" in page for page in pages] == [True, True, False]
    assert ["Your bank asks" in page for page in pages] == [False, False, True]


async def test_another_card_pays_on_the_page(account: Account) -> None:
    invoice = await waiting(account, "pm_card_chargeCustomerFail")
    _, declined = await visit(account, invoice["hosted_invoice_url"], "pay")
    await account.use_card(invoice["customer"], "pm_card_visa")

    _, told = await visit(account, invoice["hosted_invoice_url"], "pay")

    assert "was declined" in declined
    assert "It is paid" in told


async def test_what_is_paid_is_not_paid_twice(account: Account) -> None:
    invoice = await waiting(account, None)

    status, told = await visit(account, invoice["hosted_invoice_url"], "pay")

    assert (status, "It is paid" in told) == (200, True)
    assert len(await account.all("charges")) == 2


async def test_no_such_invoice_has_no_page(account: Account) -> None:
    assert (await visit(account, f"{account.url}/i/in_none"))[0] == 404
