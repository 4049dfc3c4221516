"""Grants and bars by hand: they hold at once, end early, and nothing is ever deleted."""

from datetime import timedelta

import pytest

from billing.errors import NotFoundError, NotPossibleError, UnknownFeatureError
from billing.model import Cause, Source
from billing.selling.access import AccessByHand
from billing.selling.blocks import Blocks
from billing.selling.grants import ManualGrants
from billing.views import BlockService, BlockView, ManualGrantView
from policies.decision import Outcome
from tests.integration.billing.conftest import Shop

CAUSE = Cause(Source.ADMIN, "admin:ann")
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def access(shop: Shop) -> AccessByHand:
    return AccessByHand(
        shop.database, {"notes": frozenset({"access", "seats"})}, shop.reader.invalidate
    )


@pytest.fixture
def grants(shop: Shop, access: AccessByHand) -> ManualGrants:
    return ManualGrants(shop.database, access, shop.clock)


@pytest.fixture
def blocks(shop: Shop, access: AccessByHand) -> Blocks:
    return Blocks(shop.database, access, shop.clock)


async def give(
    shop: Shop, grants: ManualGrants, *, feature: str = "access", days: int | None = 7
) -> ManualGrantView:
    now = shop.clock()
    return await grants.give(
        shop.client_id,
        "notes",
        feature,
        value=True,
        from_at=now,
        until_at=None if days is None else now + timedelta(days=days),
        reason="a week to look around",
        cause=CAUSE,
    )


async def lay(
    shop: Shop, blocks: Blocks, *, app_id: str | None = "notes", in_days: int = 0
) -> BlockView:
    return await blocks.lay(
        shop.client_id,
        app_id,
        BlockService.ADMIN,
        from_at=shop.clock() + timedelta(days=in_days),
        until_at=None,
        reason="asked to",
        cause=CAUSE,
    )


async def actions(shop: Shop) -> list[tuple[str, str]]:
    async with shop.database.connection() as connection:
        rows = await connection.fetch("select action, actor from audit order by seq")
    return [(row["action"], row["actor"]) for row in rows]


async def test_grant_opens_the_door_at_once_and_until_its_end(
    shop: Shop, grants: ManualGrants
) -> None:
    before = await shop.outcome()
    await give(shop, grants)
    during = await shop.outcome()
    shop.clock.move(days=7)

    assert [before, during, await shop.outcome()] == [Outcome.PAY, Outcome.ALLOW, Outcome.PAY]


async def test_grant_that_is_ended_shuts_at_once_and_stays_on_record(
    shop: Shop, grants: ManualGrants
) -> None:
    given = await give(shop, grants, days=None)
    await shop.outcome()

    ended = await grants.end(given.id, "mistaken", CAUSE)

    assert await shop.outcome() is Outcome.PAY
    assert ended.ended_at == shop.clock()
    assert await grants.list(shop.client_id) == (ended,)
    assert await actions(shop) == [("grant.given", "admin:ann"), ("grant.ended", "admin:ann")]


async def test_grant_is_ended_once(shop: Shop, grants: ManualGrants) -> None:
    given = await give(shop, grants)
    first = await grants.end(given.id, "", CAUSE)
    shop.clock.move(days=1)

    assert await grants.end(given.id, "", CAUSE) == first
    assert len(await actions(shop)) == 2


async def test_grant_by_hand_outlives_what_the_provider_says(
    shop: Shop, grants: ManualGrants
) -> None:
    await give(shop, grants, days=None)
    session_id = await shop.buy()
    shop.provider.end(f"sub_{session_id}")

    await shop.see(f"subscription:sub_{session_id}")

    assert await shop.outcome() is Outcome.ALLOW


async def test_bar_lies_over_what_is_paid_until_it_is_lifted(shop: Shop, blocks: Blocks) -> None:
    await shop.buy()
    laid = await lay(shop, blocks)
    during = await shop.outcome()

    lifted = await blocks.lift(laid.id, "cleared up", CAUSE)

    assert (during, await shop.outcome()) == (Outcome.FORBID, Outcome.ALLOW)
    assert await blocks.list(shop.client_id) == (lifted,)
    assert [action for action, _ in await actions(shop)][-2:] == ["block.laid", "block.lifted"]


async def test_bar_over_all_apps_bars_each(shop: Shop, blocks: Blocks) -> None:
    await shop.buy("team")

    await lay(shop, blocks, app_id=None)

    assert await shop.outcome("wiki") is Outcome.FORBID


async def test_bar_that_is_lifted_before_it_begins_never_holds(shop: Shop, blocks: Blocks) -> None:
    await shop.buy()
    laid = await lay(shop, blocks, in_days=3)
    await blocks.lift(laid.id, "", CAUSE)
    shop.clock.move(days=4)

    assert await shop.outcome() is Outcome.ALLOW


async def test_feature_that_nobody_configured_is_refused(shop: Shop, grants: ManualGrants) -> None:
    with pytest.raises(UnknownFeatureError, match="access, seats"):
        await give(shop, grants, feature="acces")


async def test_app_that_nobody_configured_is_refused(shop: Shop, blocks: Blocks) -> None:
    with pytest.raises(UnknownFeatureError):
        await lay(shop, blocks, app_id="nots")


async def test_grant_that_ends_before_it_begins_is_refused(
    shop: Shop, grants: ManualGrants
) -> None:
    with pytest.raises(NotPossibleError):
        await give(shop, grants, days=0)


async def test_nobody_is_given_nothing(shop: Shop, grants: ManualGrants) -> None:
    shop.client_id = NOBODY

    with pytest.raises(NotFoundError):
        await give(shop, grants)


@pytest.mark.parametrize("made_up", [NOBODY, "no id at all"])
async def test_what_is_not_there_cannot_be_ended(
    grants: ManualGrants, blocks: Blocks, made_up: str
) -> None:
    with pytest.raises(NotFoundError):
        await grants.end(made_up, "", CAUSE)
    with pytest.raises(NotFoundError):
        await blocks.lift(made_up, "", CAUSE)


async def test_grant_of_a_provider_s_fact_is_none_by_hand(shop: Shop, grants: ManualGrants) -> None:
    await shop.buy()
    async with shop.database.connection() as connection:
        derived = await connection.fetchval("select id::text from grants")

    with pytest.raises(NotFoundError):
        await grants.end(derived, "", CAUSE)
