"""What events said of a client goes with the client, whatever id they named."""

from billing.facts import ObjectKind
from billing.model import Cause, Source
from billing.storage.client_endings import erase_client
from billing.storage.events import EventFilter, list_events
from tests.integration.billing.conftest import Shop, make_worker
from tests.support.inbox import make_event

CAUSE = Cause(Source.ADMIN, "operator:test")


async def hear_of_charge(shop: Shop, number: int, charge_id: str) -> None:
    """Process an event that names one of the client's charges, which no table of ours knows."""
    (payment_id,) = shop.provider.payments
    shop.provider.ways[charge_id] = payment_id
    event = make_event(number, charge_id, provider=shop.provider, kind=ObjectKind.PAYMENT)
    await shop.inbox.store(event, b'{"email": "ann@example.com"}', {}, shop.clock())
    await make_worker(shop).process_one()


async def erase(shop: Shop) -> None:
    """Erase the client, once it pays no more."""
    for psp_sub_id in shop.provider.subscriptions:
        shop.provider.end(psp_sub_id)
        await shop.see(f"subscription:{psp_sub_id}")
    async with shop.database.transaction() as connection:
        await erase_client(connection, shop.client_id, CAUSE, shop.clock())


async def bodies(shop: Shop) -> list[str]:
    async with shop.database.connection() as connection:
        rows = await connection.fetch(
            "select external_id from psp_inbox where body <> '' order by id"
        )
    return [row["external_id"] for row in rows]


async def test_an_event_under_a_charges_id_is_erased_with_the_client(shop: Shop) -> None:
    await shop.buy()
    await hear_of_charge(shop, 1, "ch_1")
    before = await bodies(shop)

    await erase(shop)

    assert before == ["evt_1"]
    assert await bodies(shop) == []


async def test_an_id_is_noted_once_however_often_events_name_it(shop: Shop) -> None:
    await shop.buy()
    for number in range(3):
        await hear_of_charge(shop, number, "ch_1")
    await hear_of_charge(shop, 4, "re_1")

    async with shop.database.connection() as connection:
        noted = await connection.fetchval("select other_ids from payments")

    assert noted == ["ch_1", "re_1"]


async def test_the_other_form_of_such_an_event_is_erased_too(shop: Shop) -> None:
    await shop.buy()
    twin = make_event(2, "re_1", provider=shop.provider, kind=ObjectKind.PAYMENT, twin="evt_1")
    (shop.provider.ways["re_1"],) = shop.provider.payments
    await shop.inbox.store(twin, b"{}", {}, shop.clock())
    snapshot = make_event(1, "ch_1", provider=shop.provider, kind=ObjectKind.PAYMENT)
    await shop.inbox.store(snapshot, b"{}", {}, shop.clock())
    await make_worker(shop).process_one()

    await erase(shop)

    assert await bodies(shop) == []


async def test_what_comes_after_the_erasure_is_not_kept(shop: Shop) -> None:
    await shop.buy()
    await erase(shop)

    await hear_of_charge(shop, 1, "ch_1")

    assert await bodies(shop) == []


async def test_an_event_under_a_charges_id_is_listed_as_the_clients(shop: Shop) -> None:
    await shop.buy()
    await hear_of_charge(shop, 1, "ch_1")

    async with shop.database.connection() as connection:
        listed = await list_events(connection, EventFilter(client_id=shop.client_id), limit=9)

    assert [event.object_ref for event in listed] == ["payment:ch_1"]
