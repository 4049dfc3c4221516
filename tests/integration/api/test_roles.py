"""Whose things a caller sees: an admin everybody's, an app its own clients', a client its own."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from billing.api.models.access import EndReason
from billing.api.operation import Operation
from billing.api.operations import OPERATIONS
from billing.model import Cause, Source
from billing.oauth.claims import OPERATOR, Terms
from billing.storage.client_endings import close_client
from policies.permission import SCOPES_OF, Role, scope_of
from tests.integration.api.conftest import Desk

ADMINS_ONLY = frozenset({"grants", "blocks", "refunds", "events", "audit"})


@dataclass(frozen=True)
class Cast:
    """An app with a client of its own, and a client of another app's."""

    app: str
    own: str
    others: str
    own_payment: str
    others_payment: str


async def cast_of(desk: Desk) -> Cast:
    own = await desk.add_client("demo:ann", app_id="notes")
    others = await desk.add_client("demo:bob", app_id="wiki")
    return Cast(
        app=await desk.token_of(Role.APP, "notes"),
        own=own,
        others=others,
        own_payment=await desk.buy(own, "reader"),
        others_payment=await desk.buy(others, "wiki"),
    )


async def token_for(desk: Desk, role: Role, scopes: frozenset[str], **of: str) -> str:
    """Return a token as an operator makes one."""
    terms = Terms(
        subject="operator:test",
        credential_id=OPERATOR,
        name="operator:test",
        role=role,
        app_id=None,
        client_id=of.get("client_id"),
        scopes=scopes,
        lives=timedelta(minutes=15),
    )
    return (await desk.access.issuer.sign(terms)).text


async def client_token(desk: Desk, client_id: str) -> str:
    return await token_for(desk, Role.CLIENT, SCOPES_OF[Role.CLIENT], client_id=client_id)


def filled(operation: Operation, cast: Cast) -> str:
    """Return the operation's path, about things of the app's own client."""
    path = operation.path.replace("{payment_id}", cast.own_payment)
    path = path.replace("{event_id}", "1").replace("{plan_id}", "reader")
    for name in operation.parameters:
        path = path.replace(f"{{{name}}}", cast.own)
    return f"{path}?reason=r" if operation.query is EndReason else path


async def test_an_app_sees_its_own_clients_payments_and_no_others(desk: Desk) -> None:
    cast = await cast_of(desk)

    everybodys = await desk.ask("GET", "/payments", token=cast.app)
    own = await desk.ask("GET", f"/payments/{cast.own_payment}", token=cast.app)
    others = await desk.ask("GET", f"/payments/{cast.others_payment}", token=cast.app)

    assert [payment["id"] for payment in everybodys.json["items"]] == [cast.own_payment]
    assert own.status == 200
    assert others.status == 404


async def test_what_is_anothers_looks_like_what_is_not_there(desk: Desk) -> None:
    cast = await cast_of(desk)

    others = await desk.ask("GET", f"/payments/{cast.others_payment}", token=cast.app)
    nobodys = await desk.ask("GET", f"/payments/{cast.others_payment[::-1]}", token=cast.app)
    unknown = await desk.ask(
        "GET", "/payments/6f1c2a54-0b3e-4b8e-9d0a-2f9f3a1f7c11", token=cast.app
    )

    for told in (others, nobodys, unknown):
        told.json.pop("request_id")
    assert others.json == unknown.json == nobodys.json


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/clients/{client}", None),
        ("PATCH", "/clients/{client}", {"name": "x"}),
        ("GET", "/clients/{client}/entitlements", None),
        ("POST", "/clients/{client}/portal", {}),
        ("GET", "/subscriptions/{client}", None),
        ("GET", "/payments?client_id={client}", None),
        ("POST", "/payments", {"client_id": "{client}", "plan": "reader"}),
        ("POST", "/subscriptions", {"client_id": "{client}", "plan": "reader"}),
    ],
)
async def test_an_app_cannot_touch_anothers_client_and_the_denial_is_recorded(
    desk: Desk, method: str, path: str, body: dict[str, str] | None
) -> None:
    cast = await cast_of(desk)
    filled = {k: v.format(client=cast.others) for k, v in body.items()} if body else body

    told = await desk.ask(method, path.format(client=cast.others), filled, token=cast.app)

    assert told.status == 404
    (denial,) = await desk.access.denials()
    assert denial["client_id"] == cast.others
    assert denial["after"]["reason"] == "other_client"


async def test_an_app_cannot_sell_another_apps_plan(desk: Desk) -> None:
    cast = await cast_of(desk)

    told = await desk.ask(
        "POST", "/payments", {"client_id": cast.own, "plan": "wiki"}, token=cast.app
    )

    assert told.status == 404


async def test_an_app_cannot_end_what_pays_for_another_app(desk: Desk) -> None:
    cast = await cast_of(desk)
    await desk.buy(cast.own, "wiki")
    views = await desk.ask("GET", f"/subscriptions/{cast.own}")
    wiki = next(v for v in views.json["items"] if v["items"][0]["plan"] == "wiki")

    told = await desk.ask("DELETE", f"/subscriptions/{wiki['id']}", token=cast.app)

    assert told.status == 404


async def test_an_app_is_told_of_its_own_plans_and_entitlements(desk: Desk) -> None:
    cast = await cast_of(desk)

    plans = await desk.ask("GET", "/plans", token=cast.app)
    entitlements = await desk.ask("GET", f"/clients/{cast.own}/entitlements", token=cast.app)
    wiki = await desk.ask("GET", f"/clients/{cast.own}/entitlements?app=wiki", token=cast.app)

    assert {plan["id"] for plan in plans.json["items"]} == {"reader", "team", "gold", "lifetime"}
    assert [d["app_id"] for d in entitlements.json["decisions"]] == ["notes"]
    assert wiki.status == 404


async def test_a_client_whom_an_app_registers_is_its_own(desk: Desk) -> None:
    app = await desk.token_of(Role.APP, "notes")

    made = await desk.ask("POST", "/clients", {"external_id": "demo:new"}, token=app)
    seen = await desk.ask("GET", "/clients", token=app)

    assert made.json["app_id"] == "notes"
    assert [client["id"] for client in seen.json["items"]] == [made.json["id"]]


async def test_an_app_cannot_register_for_another(desk: Desk) -> None:
    app = await desk.token_of(Role.APP, "notes")

    told = await desk.ask("POST", "/clients", {"external_id": "x", "app_id": "wiki"}, token=app)

    assert told.status == 404


async def test_an_app_that_looks_for_anothers_client_finds_nobody(desk: Desk) -> None:
    cast = await cast_of(desk)

    by_id = await desk.ask("GET", "/clients?external_id=demo%3Abob", token=cast.app)
    by_email = await desk.ask("GET", "/clients?email=BOB%40example.com", token=cast.app)
    own = await desk.ask("GET", "/clients?email=ann%40example.com", token=cast.app)

    assert by_id.json["items"] == by_email.json["items"] == []
    assert [client["id"] for client in own.json["items"]] == [cast.own]
    assert len(await desk.access.denials()) == 2


async def test_a_client_sees_itself_and_nobody_else(desk: Desk) -> None:
    cast = await cast_of(desk)
    token = await client_token(desk, cast.own)

    itself = await desk.ask("GET", f"/clients/{cast.own}", token=token)
    other = await desk.ask("GET", f"/clients/{cast.others}", token=token)
    everybody = await desk.ask("GET", "/clients", token=token)
    found = await desk.ask("GET", "/clients?external_id=demo%3Aann", token=token)
    payments = await desk.ask("GET", f"/payments?client_id={cast.own}", token=token)

    assert (itself.status, other.status, everybody.status) == (200, 404, 403)
    assert [client["id"] for client in found.json["items"]] == [cast.own]
    assert [payment["id"] for payment in payments.json["items"]] == [cast.own_payment]


async def test_a_closed_clients_token_is_good_for_nothing(desk: Desk) -> None:
    client_id = await desk.add_client()
    token = await client_token(desk, client_id)
    async with desk.database.transaction() as connection:
        await close_client(connection, client_id, Cause(Source.ADMIN, "test"), desk.clock())

    told = await desk.ask("GET", f"/clients/{client_id}", token=token)

    assert told.status == 401


@pytest.mark.parametrize("role", [Role.APP, Role.CLIENT])
async def test_what_is_an_admins_is_nobody_elses(desk: Desk, role: Role) -> None:
    cast = await cast_of(desk)
    token = cast.app if role is Role.APP else await client_token(desk, cast.own)
    admins = [o for o in OPERATIONS if str(o.action).partition(":")[0] in ADMINS_ONLY]

    for operation in admins:
        told = await desk.ask(
            operation.method, filled(operation, cast), operation.request_example, token=token
        )

        assert told.status == 403, (operation.id, told.text)

    assert len(admins) == 11
    denials = await desk.access.denials()
    assert [denial["after"]["action"] for denial in denials] == [o.action for o in admins]
    assert {denial["after"]["reason"] for denial in denials} == {"role"}


async def test_a_token_without_the_scope_is_told_which_one_it_lacks(desk: Desk) -> None:
    cast = await cast_of(desk)
    token = await token_for(desk, Role.ADMIN, frozenset({"portal:read"}))

    for operation in OPERATIONS:
        told = await desk.ask(
            operation.method, filled(operation, cast), operation.request_example, token=token
        )

        assert told.status == 403, (operation.id, told.text)
        scope = scope_of(str(operation.action))
        challenge = f'error="insufficient_scope", scope="{scope}"'
        assert challenge in told.headers["WWW-Authenticate"]


async def test_the_document_is_told_to_any_role(desk: Desk) -> None:
    app = await desk.token_of(Role.APP, "notes")

    told = await desk.ask("GET", "/openapi.json", token=app)

    assert told.status == 200
    assert told.json["openapi"].startswith("3.1")


async def test_an_expired_token_is_refused(desk: Desk) -> None:
    desk.clock.move(seconds=timedelta(minutes=16).total_seconds())

    told = await desk.ask("GET", "/plans")

    assert told.status == 401


# One subscription for two apps


async def share(desk: Desk) -> tuple[str, str, str]:
    """Let an app's client pay for another app's plan on the same subscription, renewed.

    Return the client, its subscription and the renewal's payment.
    """
    client_id = await desk.add_client("demo:ann", app_id="wiki")
    await desk.buy(client_id, "wiki")
    (sub_id,) = desk.provider.subscriptions
    held = desk.provider.subscriptions[sub_id]
    # First in the order of their names, so that it is not the wiki's by chance.
    notes = replace(held.items[0], psp_item_id="si_0", psp_price_id="price_reader_1", quantity=3)
    desk.provider.subscriptions[sub_id] = replace(held, items=(notes, *held.items))
    desk.provider.renew(sub_id)
    await desk.see(f"subscription:{sub_id}")
    payments = (await desk.ask("GET", f"/payments?client_id={client_id}")).json["items"]
    return client_id, (await desk.subscription_of(client_id))["id"], payments[0]["id"]


async def test_of_a_shared_subscription_an_app_sees_its_own_items_alone(desk: Desk) -> None:
    client_id, _, _ = await share(desk)
    path = f"/subscriptions/{client_id}"

    whole = (await desk.ask("GET", path)).json["items"][0]
    part = (await desk.ask("GET", path, token=await desk.token_of(Role.APP, "wiki"))).json
    own = (await desk.ask("GET", path, token=await client_token(desk, client_id))).json

    assert ([i["plan"] for i in whole["items"]], whole["shared"]) == (["reader", "wiki"], False)
    assert [i["plan"] for i in part["items"][0]["items"]] == ["wiki"]
    assert part["items"][0]["shared"] is True
    assert own["items"] == [whole]


async def test_an_app_neither_ends_nor_changes_what_is_shared(desk: Desk) -> None:
    client_id, subscription_id, _ = await share(desk)
    app = await desk.token_of(Role.APP, "wiki")
    wish = {"client_id": client_id, "cancel_at_period_end": True}

    told = [
        await desk.ask("DELETE", f"/subscriptions/{subscription_id}", token=app),
        await desk.ask("POST", "/subscriptions", wish, token=app),
        await desk.ask(
            "POST", "/subscriptions", wish | {"subscription_id": subscription_id}, token=app
        ),
    ]

    assert [answer.status for answer in told] == [404] * 3
    assert (await desk.subscription_of(client_id))["status"] == "active"


async def test_a_renewal_that_is_listed_is_told_singly_and_names_the_apps_own_plan(
    desk: Desk,
) -> None:
    _, _, payment_id = await share(desk)
    app = await desk.token_of(Role.APP, "wiki")

    listed = (await desk.ask("GET", "/payments", token=app)).json["items"]
    singly = [await desk.ask("GET", f"/payments/{one['id']}", token=app) for one in listed]

    assert listed[0]["id"] == payment_id
    assert [answer.json for answer in singly] == listed
    assert {(one["plan"], one["quantity"]) for one in listed} == {("wiki", 1)}
