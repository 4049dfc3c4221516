"""Plans, their features and prices: written once a version, read at start."""

from billing.errors import CatalogConflictError
from billing.model import Interval, Plan, PlanFeature
from billing.storage.pool import Connection, Database


async def publish_plans(
    database: Database, plans: tuple[Plan, ...], *, psp: str, livemode: bool
) -> list[Plan]:
    """Store new plan versions and return every version ever published.

    Raises:
        CatalogConflictError: a published version or price now says something else.
    """
    async with database.transaction() as connection:
        await connection.execute("lock table plans in share row exclusive mode")
        published = await _read(connection, psp, livemode=livemode)
        for plan in plans:
            _refuse_changes(plan, published)
            if plan not in published:
                await _insert(connection, plan, psp, livemode=livemode)
        return await _read(connection, psp, livemode=livemode)


def _refuse_changes(plan: Plan, published: list[Plan]) -> None:
    for other in published:
        same_version = (other.id, other.version) == (plan.id, plan.version)
        if same_version and other != plan:
            raise CatalogConflictError(
                f"plan {plan.id!r} version {plan.version} was published with other contents: "
                f"set `version: {plan.version + 1}` and a new stripe_price; "
                "clients who bought the old version keep it"
            )
        if not same_version and other.psp_price_id == plan.psp_price_id:
            raise CatalogConflictError(
                f"plan {plan.id!r} version {plan.version}: the price {plan.psp_price_id!r} "
                f"already sells plan {other.id!r} version {other.version}"
            )


async def _read(connection: Connection, psp: str, *, livemode: bool) -> list[Plan]:
    rows = await connection.fetch(
        """
        select p.*, m.psp_price_id,
               (select jsonb_agg(jsonb_build_array(f.app_id, f.feature, f.value)
                                 order by f.app_id, f.feature)
                from plan_features f where f.plan = p.id and f.version = p.version) as features
        from plans p
        join price_map m on m.plan = p.id and m.version = p.version
        where m.psp = $1 and m.livemode = $2
        order by p.id, p.version
        """,
        psp,
        livemode,
    )
    return [
        Plan(
            id=row["id"],
            version=row["version"],
            name=row["name"],
            description=row["description"],
            amount_minor=row["amount_minor"],
            currency=row["currency"],
            interval=Interval(row["interval"]),
            psp_price_id=row["psp_price_id"],
            grace_days=row["grace_days"],
            features=tuple(PlanFeature(*feature) for feature in row["features"] or ()),
            trial_days=row["trial_days"],
            max_quantity=row["max_quantity"],
        )
        for row in rows
    ]


async def _insert(connection: Connection, plan: Plan, psp: str, *, livemode: bool) -> None:
    await connection.execute(
        """
        insert into plans (id, version, name, description, amount_minor, currency, interval,
                           grace_days, trial_days, max_quantity)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict do nothing
        """,
        plan.id,
        plan.version,
        plan.name,
        plan.description,
        plan.amount_minor,
        plan.currency,
        plan.interval.value,
        plan.grace_days,
        plan.trial_days,
        plan.max_quantity,
    )
    await connection.executemany(
        "insert into plan_features (plan, version, app_id, feature, value)"
        " values ($1, $2, $3, $4, $5) on conflict do nothing",
        [(plan.id, plan.version, f.app_id, f.feature, f.value) for f in plan.features],
    )
    await connection.execute(
        "insert into price_map (psp, livemode, psp_price_id, plan, version)"
        " values ($1, $2, $3, $4, $5)",
        psp,
        livemode,
        plan.psp_price_id,
        plan.id,
        plan.version,
    )


async def read_published(database: Database, *, psp: str, livemode: bool) -> list[Plan]:
    """Return every version ever published, and publish nothing."""
    async with database.connection() as connection:
        return await _read(connection, psp, livemode=livemode)
