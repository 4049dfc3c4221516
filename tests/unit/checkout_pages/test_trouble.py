"""When something does not answer, or a request is no form: a clear error, and nothing is lost."""

import pytest

from tests.support.pages import BODY_LIMIT_BYTES, FLOW, NOTES, Pages

FORM = "application/x-www-form-urlencoded"
BUSY = (503, "One moment", "2")


@pytest.mark.parametrize(
    "path", ["/account", "/checkout/return?session_id=cs_1", "/checkout/cancelled?checkout=1"]
)
async def test_a_shop_that_does_not_answer_is_a_page_that_asks_again(
    pages: Pages, path: str
) -> None:
    session = await pages.sign_in()
    pages.shop.is_down = True

    answer = await pages.get(path, session=session)

    assert (answer.status, answer.title, answer.headers["Retry-After"]) == BUSY
    assert (answer.links[0], answer.headers["Refresh"]) == (path, "2")


@pytest.mark.parametrize("path", ["/", "/sign-in", "/account", "/checkout/return"])
async def test_sessions_that_do_not_answer_are_never_taken_for_signed_out(
    pages: Pages, path: str
) -> None:
    session = await pages.sign_in()
    pages.visitors.is_down = True

    answer = await pages.get(path, session=session)

    assert (answer.status, answer.title, answer.headers["Retry-After"]) == BUSY


@pytest.mark.parametrize("path", ["/checkout", "/account/cancel", "/account/resume"])
async def test_a_form_that_could_not_be_carried_out_is_not_sent_again_by_itself(
    pages: Pages, path: str
) -> None:
    session = await pages.sign_in()
    pages.shop.is_down = True
    form = {"plan": "reader", "to": pages.sign(), "subscription": "1"}

    answer = await pages.submit(path, form, session=session)

    assert (answer.status, answer.title, answer.headers["Retry-After"]) == BUSY
    assert "Refresh" not in answer.headers


async def test_a_sign_in_that_could_not_be_carried_out_sets_no_cookie(pages: Pages) -> None:
    pages.visitors.is_down = True

    answer = await pages.post("/sign-in", {"name": "alice"})

    assert (answer.status, answer.title, answer.headers["Retry-After"]) == BUSY
    assert "Set-Cookie" not in answer.headers


async def test_a_sign_out_that_could_not_be_carried_out_keeps_the_cookie(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.visitors.is_down = True

    answer = await pages.submit("/sign-out", {}, session=session)

    assert (answer.status, answer.title, answer.headers["Retry-After"]) == BUSY
    assert "Set-Cookie" not in answer.headers


async def test_a_door_that_does_not_answer_keeps_the_ticket(pages: Pages) -> None:
    ticket = await pages.issue_ticket(await pages.sign_in())
    pages.visitors.is_down = True
    refused = await pages.enter(ticket)
    pages.visitors.is_down = False

    answer = await pages.enter(ticket)

    assert (refused.status, answer.status) == (503, 303)


async def test_the_reason_of_the_trouble_is_not_on_the_page(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.shop.is_down = True

    answer = await pages.get("/account", session=session)

    assert "provider is down" not in answer.body


async def test_the_plans_are_shown_while_the_provider_is_down(pages: Pages) -> None:
    session = await pages.sign_in()
    pages.shop.is_down = True

    answer = await pages.get(f"/checkout?to={pages.sign()}", session=session)

    assert answer.status == 200


@pytest.mark.parametrize("path", ["/sign-in", "/checkout", "/sign-out"])
async def test_a_body_over_the_limit_is_refused(pages: Pages, path: str) -> None:
    session = await pages.sign_in()

    answer = await pages.post(path, {"name": "x" * BODY_LIMIT_BYTES}, session=session)

    assert answer.status == 413


async def test_a_body_at_the_limit_is_read(pages: Pages) -> None:
    form = {"name": "x" * (BODY_LIMIT_BYTES - len("name="))}

    answer = await pages.post("/sign-in", form)

    assert answer.status == 422


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/xml"])
async def test_a_body_that_is_no_form_is_refused(pages: Pages, kind: str) -> None:
    answer = await pages.ask("POST", "/sign-in", form=b"name=alice", headers={"Content-Type": kind})

    assert (answer.status, "Set-Cookie" in answer.headers) == (415, False)


async def test_a_file_is_no_name(pages: Pages) -> None:
    part = b'Content-Disposition: form-data; name="name"; filename="a"\r\n\r\nalice'
    body = b"--x\r\n" + part + b"\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}

    answer = await pages.ask("POST", "/sign-in", form=body, headers=kind)

    assert (answer.status, "Set-Cookie" in answer.headers) == (415, False)


async def test_a_form_of_too_many_fields_is_refused(pages: Pages) -> None:
    body = b"&".join([b"a=1"] * 2000)

    answer = await pages.ask("POST", "/sign-in", form=body, headers={"Content-Type": FORM})

    assert answer.status == 413


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"name=\xff\xfe"),
        (f"{FORM}; charset=nonsense", b"name=alice"),
        (f"{FORM}; charset=utf-16", b"x"),
        (f"{FORM}; charset=idna", b"name=xn--\xff"),
        ("multipart/form-data", b"name=alice"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nalice\r\n--x--\r\n"),
    ],
    ids=str,
)
async def test_a_body_that_cannot_be_read_is_the_sender_s_mistake(
    pages: Pages, kind: str, body: bytes
) -> None:
    answer = await pages.ask("POST", "/sign-in", form=body, headers={"Content-Type": kind})

    assert answer.status in {400, 415, 422}


async def test_a_proof_of_half_a_character_is_refused(pages: Pages) -> None:
    session = await pages.sign_in()
    kind = {"Content-Type": f"{FORM}; charset=unicode_escape"}

    answer = await pages.ask(
        "POST", "/sign-out", session=session, form=rb"csrf=\ud800", headers=kind
    )

    assert answer.status == 415


@pytest.mark.parametrize("csrf", ["%ED%A0%80", "%FF", "%00"])
async def test_a_proof_that_is_no_text_is_refused(pages: Pages, csrf: str) -> None:
    session = await pages.sign_in()
    body = f"csrf={csrf}".encode()

    answer = await pages.ask(
        "POST", "/sign-out", session=session, form=body, headers={"Content-Type": FORM}
    )

    assert answer.status == 403


@pytest.mark.parametrize("cookie", ["tollway_session=\xe9", "tollway_session", "; ;=;", "a" * 4000])
@pytest.mark.parametrize("path", ["/account", "/.tollway/enter"])
async def test_a_cookie_that_cannot_be_read_is_none(pages: Pages, path: str, cookie: str) -> None:
    host = NOTES if path.startswith("/.") else pages.settings.public_host

    answer = await pages.get(path, host=host, Cookie=cookie)

    assert answer.status in {303, 400}
    assert FLOW not in answer.body


async def test_a_flow_cookie_of_bytes_that_are_no_text_is_none(pages: Pages) -> None:
    request = (
        b"GET /.tollway/enter?ticket=x HTTP/1.1\r\nHost: notes.example\r\n"
        b"Cookie: tollway_flow=\xff\r\nConnection: close\r\n\r\n"
    )

    answer = await pages.send(request)

    assert answer.startswith(b"HTTP/1.1 400 ")
