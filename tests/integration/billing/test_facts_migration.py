"""A database of before the facts stood apart keeps what its clients hold."""

from datetime import timedelta

from billing.apply import Applier
from billing.catalog import Catalog
from billing.facts import ObjectKind, ObjectRef
from billing.model import Cause, Interval, Source
from billing.result import Applied
from billing.storage.migrate import list_migrations, migrate
from billing.storage.plans import publish_plans
from billing.storage.pool import Database
from tests.support.clock import FakeClock
from tests.support.keys import RING
from tests.support.plans import make_plan
from tests.support.provider import MemoryProvider

_OLD = """
insert into clients (id, external_id) values ('00000000-0000-4000-8000-000000000001', 'demo:ann');
insert into psp_customers values ('memory', false, 'cus_1', '00000000-0000-4000-8000-000000000001');
insert into plans (id, version, name, description, amount_minor, currency, interval, grace_days)
    values ('reader', 1, 'Reader', '', 500, 'eur', 'month', 3),
           ('lifetime', 1, 'Lifetime', '', 500, 'eur', 'once', 0);
insert into plan_features values ('reader', 1, 'notes', 'access', 'true'),
                                 ('lifetime', 1, 'notes', 'access', 'true');
insert into price_map values ('memory', false, 'price_reader_1', 'reader', 1),
                             ('memory', false, 'price_lifetime_1', 'lifetime', 1);
insert into checkout_intents (client_id, plan, version, psp, livemode, psp_session_id,
                              idempotency_key, state, return_host, return_to, created_at)
    select id, 'lifetime', 1, 'memory', false, 'cs_old', 'k', 'completed', 'h', '/', $1
    from clients;
insert into payments (client_id, psp, livemode, psp_payment_id, kind, amount_minor, currency,
                      status, created_at)
    select id, 'memory', false, 'pi_' || word, 'order', 500, 'eur', word, $1 from clients,
        unnest(array['paid', 'unpaid', 'no_payment_required', 'draft', 'void', 'unknown']) word;
insert into grants (client_id, app_id, feature, value, source, source_id, plan, version, from_at,
                    actor)
    select id, 'notes', 'access', 'true', 'order', 'cs_old', 'lifetime', 1, $1, 'psp' from clients;
"""


async def test_what_was_bought_before_the_migration_outlives_the_first_look_after_it(
    bare_database_url: str, clock: FakeClock
) -> None:
    database = await Database.open(bare_database_url, size=4, ring=RING)
    await migrate(database, [m for m in list_migrations() if m.name < "0005"])
    async with database.connection() as connection:
        await connection.execute(_OLD.replace("$1", f"'{clock().isoformat()}'"))
    await migrate(database)
    plans = (make_plan("reader"), make_plan("lifetime", interval=Interval.ONCE, grace_days=0))
    provider = MemoryProvider(clock)
    catalog = Catalog(plans, await publish_plans(database, plans, psp="memory", livemode=False))

    async def nobody(client_id: str, version: int) -> None:
        """Nothing caches what this test looks at."""

    applier = Applier(database, provider, catalog, clock, nobody, timedelta(hours=1))
    provider.start("sub_1", customer="cus_1", client_ref=None)

    result = await applier.apply(
        ObjectRef(ObjectKind.SUBSCRIPTION, "sub_1"), Cause(Source.ADMIN, "ann")
    )

    assert result.applied is Applied.CHANGED
    async with database.connection() as connection:
        grants = await connection.fetch(
            "select source_id, from_at, until_at, revoked_at from grants"
        )
        states = await connection.fetch("select psp_payment_id, status from payments")
    assert [tuple(row) for row in grants] == [("cs_old", clock(), None, None)]
    assert dict(map(tuple, states)) == {
        "pi_paid": "paid",
        "pi_unpaid": "open",
        "pi_no_payment_required": "paid",
        "pi_draft": "open",
        "pi_void": "void",
        "pi_unknown": "open",
    }
    await database.close()
