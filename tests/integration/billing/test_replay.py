"""Dead letters: found by operators, and applied after all when asked."""

from datetime import timedelta

from billing.facts import ObjectKind
from billing.storage import events
from billing.storage.events import EventFilter
from tests.integration.billing.conftest import Shop, make_worker
from tests.support.inbox import make_event, states_of


async def die(shop: Shop, sub_id: str) -> int:
    """Let an event of the subscription be given up, and return its number."""
    event = make_event(1, sub_id, provider=shop.provider)
    await shop.inbox.store(event, b'{"email": "ann@example.com"}', {}, shop.clock())
    shop.provider.is_garbled = True
    for _ in range(3):
        await make_worker(shop).process_one()
        shop.clock.move(hours=2)
    shop.provider.is_garbled = False
    async with shop.database.connection() as connection:
        (dead,) = await events.list_dead(connection, limit=10)
    return dead


async def test_a_dead_event_is_applied_when_it_is_replayed_and_the_audit_tells_by_whom(
    shop: Shop,
) -> None:
    dead = await die(shop, f"sub_{await shop.buy()}")

    async with shop.database.transaction() as connection:
        replayed = await events.replay_events(connection, [dead], "operator:ann", shop.clock())
    await make_worker(shop).process_one()

    async with shop.database.connection() as connection:
        row = await connection.fetchrow("select * from audit where action = 'event.replayed'")
    assert replayed == [dead]
    assert await states_of(shop.database) == ["done"]
    assert row is not None
    assert (row["actor"], row["cause_inbox_id"]) == ("operator:ann", dead)
    assert row["before"] == {"state": "dead"}


async def test_a_replayed_event_has_all_its_tries_again(shop: Shop) -> None:
    dead = await die(shop, f"sub_{await shop.buy()}")
    async with shop.database.transaction() as connection:
        await events.replay_events(connection, [dead], "operator:ann", shop.clock())
    shop.provider.is_garbled = True

    await make_worker(shop).process_one()

    assert await states_of(shop.database) == ["failed"]


async def test_what_is_being_worked_on_is_not_replayed(shop: Shop) -> None:
    event = make_event(1, provider=shop.provider)
    await shop.inbox.store(event, b"", {}, shop.clock())
    claim = await shop.inbox.claim(shop.clock(), timedelta(seconds=60))
    assert claim is not None

    async with shop.database.transaction() as connection:
        replayed = await events.replay_events(connection, [claim.id], "operator:ann", shop.clock())

    assert replayed == []


async def test_events_are_listed_by_state_type_time_and_client(shop: Shop) -> None:
    sub_id = f"sub_{await shop.buy()}"
    for number, object_id in enumerate((sub_id, "sub_other"), 1):
        event = make_event(number, object_id, provider=shop.provider)
        await shop.inbox.store(event, b"", {}, shop.clock())
        shop.clock.move(hours=1)
    checkout = make_event(
        3, sub_id.removeprefix("sub_"), provider=shop.provider, kind=ObjectKind.CHECKOUT
    )
    await shop.inbox.store(checkout, b"", {}, shop.clock())
    wanted = {
        "all": EventFilter(),
        "state": EventFilter(state="dead"),
        "type": EventFilter(type="another.event"),
        "since": EventFilter(since=shop.clock() - timedelta(minutes=90)),
        "client": EventFilter(client_id=shop.client_id),
    }

    async with shop.database.connection() as connection:
        found = {
            name: [
                event.external_id for event in await events.list_events(connection, each, limit=10)
            ]
            for name, each in wanted.items()
        }

    assert found == {
        "all": ["evt_3", "evt_2", "evt_1"],
        "state": [],
        "type": [],
        "since": ["evt_3", "evt_2"],
        "client": ["evt_3", "evt_1"],
    }


async def test_a_body_is_opened_for_who_has_the_keys(shop: Shop) -> None:
    dead = await die(shop, f"sub_{await shop.buy()}")

    async with shop.database.connection() as connection:
        event = await events.find_event(connection, dead)
        assert event is not None
        body = await events.get_body(connection, event)

    assert body == b'{"email": "ann@example.com"}'
