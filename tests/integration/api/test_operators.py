"""Events and the audit log."""

from billing.facts import EventRef, ObjectKind, ObjectRef
from billing.storage.events import find_event
from tests.integration.api.conftest import PUBLIC_URL, Desk

INVOICE = ObjectRef(ObjectKind.PAYMENT, "in_1")


async def store(desk: Desk, external_id: str, ref: ObjectRef | None = INVOICE) -> None:
    event = EventRef(external_id, "invoice.paid", ref, False, None, desk.clock())
    await desk.inbox.store(event, b'{"secret": "of a person"}', {}, desk.clock())


async def test_events_are_listed_a_part_at_a_time(desk: Desk) -> None:
    for number in range(3):
        await store(desk, f"evt_{number}")

    first = await desk.ask("GET", "/events?state=received&limit=2")
    second = await desk.ask("GET", first.json["next"].removeprefix(PUBLIC_URL))

    told = [event["external_id"] for event in (*first.json["items"], *second.json["items"])]
    assert told == ["evt_2", "evt_1", "evt_0"]
    assert second.json["next"] is None
    assert "person" not in first.text


async def test_an_event_is_processed_again_on_request_and_the_audit_tells_by_whom(
    desk: Desk,
) -> None:
    await store(desk, "evt_1")
    listed = await desk.ask("GET", "/events")
    event_id = listed.json["items"][0]["id"]
    async with desk.database.transaction() as connection:
        await connection.execute("update psp_inbox set state = 'dead', attempts = 9")

    told = await desk.ask("POST", f"/events/{event_id}/replay")

    assert (told.status, told.json["state"], told.json["attempts"]) == (200, "received", 0)
    async with desk.database.connection() as connection:
        found = await find_event(connection, event_id)
    assert found is not None
    assert found.state == "received"
    audit = await desk.ask("GET", "/audit")
    (row,) = [row for row in audit.json["items"] if row["action"] == "event.replayed"]
    assert row["actor"].startswith("credential:")
    assert row["cause_inbox_id"] == event_id


async def test_an_event_about_nothing_cannot_be_processed_again(desk: Desk) -> None:
    await store(desk, "evt_1", None)
    listed = await desk.ask("GET", "/events")

    told = await desk.ask("POST", f"/events/{listed.json['items'][0]['id']}/replay")

    assert told.status == 409


async def test_the_audit_tells_which_request_changed_what(desk: Desk) -> None:
    client_id = await desk.add_client()
    other = await desk.add_client("demo:bob")
    await desk.ask(
        "POST",
        f"/clients/{client_id}/blocks",
        {"reason": "fraud"},
        X_Request_Id="request-1",
    )

    own = await desk.ask("GET", f"/audit?client_id={client_id}&limit=1")
    others = await desk.ask("GET", f"/audit?client_id={other}")

    (row,) = own.json["items"]
    assert (row["cause_request_id"], row["client_id"]) == ("request-1", client_id)
    assert own.json["next"] is not None
    assert {row["action"] for row in others.json["items"]} == {"client.created"}
