"""Commands outlive crashes: cut at any step, each is carried out, and none twice."""

import asyncio
from datetime import timedelta

import pytest

from billing.errors import ProviderRefusedError, UnavailableError
from billing.facts import ProviderSubscription, SubscriptionChange
from billing.metrics import Alarm
from billing.model import Cause, Source
from billing.selling.commands import Commands
from billing.selling.janitor import CommandJanitor
from tests.integration.billing.conftest import Shop

CAUSE = Cause(Source.ADMIN, "api:test")


class Crash(BaseException):
    """The process ends here; nothing of ours catches it."""


class Breaking:
    """A seller whose process ends before or after the provider has done what it was asked."""

    def __init__(self, shop: Shop, *, after: bool) -> None:
        self._provider = shop.provider
        self._after = after

    def __getattr__(self, name: str) -> object:
        return getattr(self._provider, name)

    async def change_subscription(
        self, psp_sub_id: str, change: SubscriptionChange, *, key: str
    ) -> None:
        if self._after:
            await self._provider.change_subscription(psp_sub_id, change, key=key)
        raise Crash

    async def refund(self, psp_intent_id: str, amount_minor: int | None, *, key: str) -> str:
        if self._after:
            await self._provider.refund(psp_intent_id, amount_minor, key=key)
        raise Crash


async def states(shop: Shop) -> list[str]:
    async with shop.database.connection() as connection:
        rows = await connection.fetch("select state from provider_commands order by created_at")
    return [row["state"] for row in rows]


def crash(shop: Shop, commands: Commands, *, after: bool) -> None:
    """Let the shop's next command crash at the provider's door."""
    commands._seller = Breaking(shop, after=after)  # type: ignore[assignment] # it lends the rest


def revive(shop: Shop, commands: Commands) -> None:
    commands._seller = shop.provider


@pytest.mark.parametrize("after", [False, True])
async def test_change_cut_off_by_a_crash_is_made_once(
    shop: Shop,
    after: bool,
) -> None:
    await shop.buy()
    (held,) = await shop.changes.list_views(shop.client_id)
    crash(shop, shop.commands, after=after)
    with pytest.raises(Crash):
        await shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE)
    revive(shop, shop.commands)
    shop.clock.move(minutes=2)

    await shop.commands.resume()

    (found,) = await shop.changes.list_views(shop.client_id)
    assert found.items[0].plan == "team"
    assert await states(shop) == ["done"]


@pytest.mark.parametrize("after", [False, True])
async def test_refund_cut_off_by_a_crash_gives_back_once(
    shop: Shop,
    after: bool,
) -> None:
    session_id = await shop.buy("lifetime")
    (paid,) = (await shop.payments.list_payments(client_id=shop.client_id)).payments
    crash(shop, shop.commands, after=after)
    with pytest.raises(Crash):
        await shop.refunds.refund(paid.id, 200, "asked for", CAUSE)
    revive(shop, shop.commands)
    shop.clock.move(minutes=2)

    await asyncio.gather(shop.commands.resume(), shop.commands.resume())

    assert shop.provider.payments[f"pay_{session_id}"].refunded_minor == 200
    found = await shop.payments.find_payment(paid.id)
    assert found is not None
    assert found.refunded_minor == 200
    assert await states(shop) == ["done"]


async def test_caller_who_repeats_after_a_crash_finds_it_done(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.changes.list_views(shop.client_id)
    crash(shop, shop.commands, after=True)
    with pytest.raises(Crash):
        await shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE, key="k")
    revive(shop, shop.commands)

    after = await shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE, key="k")

    assert after.items[0].plan == "team"
    assert await states(shop) == ["done"]


async def test_task_that_is_cancelled_leaves_the_command_to_be_resumed(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.changes.list_views(shop.client_id)
    asked, never = asyncio.Event(), asyncio.Event()

    class Silent(Breaking):
        async def change_subscription(
            self, psp_sub_id: str, change: SubscriptionChange, *, key: str
        ) -> None:
            asked.set()
            await never.wait()

    shop.commands._seller = Silent(shop, after=False)  # type: ignore[assignment] # as above
    task = asyncio.create_task(
        shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE)
    )
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    revive(shop, shop.commands)
    shop.clock.move(minutes=2)

    await shop.commands.resume()

    assert await states(shop) == ["done"]


async def test_connection_cut_before_the_outcome_is_noted_loses_nothing(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.changes.list_views(shop.client_id)

    reading = shop.provider.fetch_subscription

    async def cut_and_read(psp_sub_id: str) -> ProviderSubscription:
        await cut_connections(shop)
        return await reading(psp_sub_id)

    shop.provider.fetch_subscription = cut_and_read  # type: ignore[method-assign] # a bad moment
    with pytest.raises(UnavailableError):
        await shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE)
    shop.provider.fetch_subscription = reading  # type: ignore[method-assign] # as it was
    before = await states(shop)
    shop.clock.move(minutes=2)

    await shop.commands.resume()

    (found,) = await shop.changes.list_views(shop.client_id)
    assert found.items[0].plan == "team"
    assert (before, await states(shop)) == (["pending"], ["done"])


async def cut_connections(shop: Shop) -> None:
    """Cut every connection to the database but the one that cuts."""
    async with shop.database.connection() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


async def test_outage_is_outlasted(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.changes.list_views(shop.client_id)
    shop.provider.is_down = True
    with pytest.raises(UnavailableError):
        await shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE)
    shop.clock.move(hours=3)
    await shop.commands.resume()
    down = await states(shop)
    shop.provider.is_down = False

    await shop.commands.resume()

    assert (down, await states(shop)) == (["pending"], ["done"])


async def test_command_whose_key_is_forgotten_is_given_up_and_not_asked(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.changes.list_views(shop.client_id)
    shop.provider.is_down = True
    with pytest.raises(UnavailableError):
        await shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE, key="k")
    shop.provider.is_down = False
    shop.clock.move(hours=23)
    asked = len(shop.provider.calls)

    await shop.commands.resume()

    assert await states(shop) == ["given_up"]
    assert shop.meter.alarms == [Alarm.COMMAND_GIVEN_UP]
    assert len(shop.provider.calls) == asked
    with pytest.raises(ProviderRefusedError):
        await shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE, key="k")


async def test_what_was_just_asked_is_left_to_who_asked(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.changes.list_views(shop.client_id)
    shop.provider.is_down = True
    with pytest.raises(UnavailableError):
        await shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE)
    shop.clock.move(seconds=timedelta(seconds=30).seconds)

    assert await shop.commands.resume() == 0


async def test_janitor_carries_out_what_waits_until_it_is_retired(shop: Shop) -> None:
    await shop.buy()
    (held,) = await shop.changes.list_views(shop.client_id)
    crash(shop, shop.commands, after=False)
    with pytest.raises(Crash):
        await shop.changes.change(shop.client_id, held.id, plan_id="team", cause=CAUSE)
    revive(shop, shop.commands)
    shop.clock.move(minutes=2)
    janitor = CommandJanitor(shop.commands, every_s=0.01)
    working = asyncio.create_task(janitor.run())

    async with asyncio.timeout(10):
        while await states(shop) != ["done"]:  # noqa: ASYNC110 - the row is another task's
            await asyncio.sleep(0)
        janitor.retire()
        await working
