from tests.integration.api.conftest import PUBLIC_URL, Desk


async def test_a_client_is_made_known_found_changed_and_told(desk: Desk) -> None:
    body = {"external_id": "demo:eve", "name": "Eve", "email": "Eve@Example.com"}

    made = await desk.ask("POST", "/clients", body)
    changed = await desk.ask("PATCH", f"/clients/{made.json['id']}", {"name": None})
    by_email = await desk.ask("GET", "/clients?email=eve%40example.com")
    by_external_id = await desk.ask("GET", "/clients?external_id=demo%3Aeve")

    assert made.status == 201
    assert made.headers["Location"] == f"{PUBLIC_URL}/clients/{made.json['id']}"
    assert (made.json["name"], changed.json["name"]) == ("Eve", None)
    assert changed.json["email"] == made.json["email"]
    assert by_email.json["items"] == by_external_id.json["items"] == [changed.json]


async def test_an_external_id_is_one_client_for_ever(desk: Desk) -> None:
    await desk.ask("POST", "/clients", {"external_id": "demo:eve"})

    told = await desk.ask("POST", "/clients", {"external_id": "demo:eve"})

    assert told.status == 409


async def test_one_looks_for_one_thing_at_a_time(desk: Desk) -> None:
    told = await desk.ask("GET", "/clients?external_id=a&email=a%40b")

    assert told.status == 422


async def test_a_change_of_nothing_is_refused(desk: Desk) -> None:
    client_id = await desk.add_client()

    told = await desk.ask("PATCH", f"/clients/{client_id}", {})

    assert told.status == 422


async def test_a_list_of_clients_goes_on_where_it_ended(desk: Desk) -> None:
    ids = [await desk.add_client(f"demo:{name}") for name in ("ann", "bob", "eve")]

    first = await desk.ask("GET", "/clients?limit=2")
    second = await desk.ask("GET", first.json["next"].removeprefix(PUBLIC_URL))

    told = [client["id"] for client in (*first.json["items"], *second.json["items"])]
    assert sorted(told) == sorted(ids)
    assert second.json["next"] is None


async def test_an_erased_client_is_nobody_and_buys_nothing(desk: Desk) -> None:
    client_id = await desk.add_client("demo:ann")

    erased = await desk.ask("DELETE", f"/clients/{client_id}")
    changed = await desk.ask("PATCH", f"/clients/{client_id}", {"name": "Ann"})
    bought = await desk.ask("POST", "/payments", {"client_id": client_id, "plan": "reader"})

    assert (erased.json["name"], erased.json["email"]) == (None, None)
    assert erased.json["status"] == "closed"
    assert "ann" not in erased.text
    assert (changed.status, bought.status) == (409, 409)


async def test_a_client_who_pays_is_not_erased(desk: Desk) -> None:
    client_id = await desk.add_client()
    await desk.buy(client_id)

    told = await desk.ask("DELETE", f"/clients/{client_id}")

    assert told.status == 409
    assert (await desk.ask("GET", f"/clients/{client_id}")).json["status"] == "active"


async def test_a_client_who_can_still_pay_is_not_erased_until_the_page_is_closed(
    desk: Desk,
) -> None:
    client_id = await desk.add_client()
    begun = await desk.ask("POST", "/payments", {"client_id": client_id, "plan": "reader"})
    session_id = begun.json["checkout_url"].rsplit("/", 1)[1]

    while_open = await desk.ask("DELETE", f"/clients/{client_id}")
    await desk.provider.expire_checkout(session_id)
    await desk.see(f"checkout:{session_id}")
    afterwards = await desk.ask("DELETE", f"/clients/{client_id}")

    assert (while_open.status, afterwards.status) == (409, 200)
    assert "checkout page" in while_open.json["detail"]
    assert afterwards.json["status"] == "closed"


async def test_the_portal_opens_for_who_has_paid(desk: Desk) -> None:
    payer, other = await desk.add_client("demo:ann"), await desk.add_client("demo:bob")
    await desk.buy(payer)

    opened = await desk.ask("POST", f"/clients/{payer}/portal", {})
    refused = await desk.ask("POST", f"/clients/{other}/portal", {})
    abroad = await desk.ask(
        "POST", f"/clients/{payer}/portal", {"return_url": "https://evil.example"}
    )

    assert (opened.status, refused.status, abroad.status) == (201, 409, 422)
    assert "paid for nothing yet" in refused.json["detail"]
    assert opened.json["url"].startswith("https://pay.example/portal/")
