import base64
from urllib.parse import quote_plus

import pytest

from billing.oauth.form import Code, Refused, TokenRequest, parse_token_request

FORM = "application/x-www-form-urlencoded"
GRANT = b"grant_type=client_credentials"


def basic(id_: str, secret: str) -> str:
    text = f"{quote_plus(id_)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def parsed(
    body: bytes, authorizations: list[str] | None = None, content_type: str = FORM
) -> TokenRequest | Refused:
    return parse_token_request(content_type, authorizations or [], body)


@pytest.mark.parametrize(
    ("body", "authorizations", "expected"),
    [
        (GRANT + b"&client_id=a&client_secret=b", [], TokenRequest("a", "b", None)),
        (GRANT, [basic("a", "b")], TokenRequest("a", "b", None)),
        (GRANT + b"&client_id=a", [basic("a", "b")], TokenRequest("a", "b", None)),
        # RFC 6749, section 2.3.1: encoded as a form before it becomes Basic.
        (GRANT, [basic("a:b +%", "c:d/é")], TokenRequest("a:b +%", "c:d/é", None)),
        (GRANT, [basic("a", "b").replace("Basic", "bAsIc")], TokenRequest("a", "b", None)),
        (
            GRANT + b"&scope=plans%3Aread+payments:read",
            [basic("a", "b")],
            TokenRequest("a", "b", frozenset({"plans:read", "payments:read"})),
        ),
        # A parameter without a value counts as left out, and one that nobody knows is ignored.
        (GRANT + b"&scope=&resource=x", [basic("a", "b")], TokenRequest("a", "b", None)),
    ],
)
def test_what_the_standard_allows_is_read(
    body: bytes, authorizations: list[str], expected: TokenRequest
) -> None:
    assert parsed(body, authorizations) == expected


@pytest.mark.parametrize(
    ("body", "authorizations", "code"),
    [
        (b"", [basic("a", "b")], Code.INVALID_REQUEST),
        (b"grant_type", [basic("a", "b")], Code.INVALID_REQUEST),
        (b"\xff\xfe", [basic("a", "b")], Code.INVALID_REQUEST),
        (b"grant_type=%ff", [basic("a", "b")], Code.INVALID_REQUEST),
        (b"scope=plans:read", [basic("a", "b")], Code.INVALID_REQUEST),
        (b"grant_type=", [basic("a", "b")], Code.INVALID_REQUEST),
        (GRANT + b"&" + GRANT, [basic("a", "b")], Code.INVALID_REQUEST),
        (GRANT + b"&scope=a&scope=b", [basic("a", "b")], Code.INVALID_REQUEST),
        (GRANT + b"&scope=&scope=b", [basic("a", "b")], Code.INVALID_REQUEST),
        (GRANT + b"&a=1" * 30, [basic("a", "b")], Code.INVALID_REQUEST),
        (GRANT, [basic("a", "b"), basic("c", "d")], Code.INVALID_REQUEST),
        (GRANT + b"&client_secret=b", [basic("a", "b")], Code.INVALID_REQUEST),
        (GRANT + b"&client_id=other", [basic("a", "b")], Code.INVALID_REQUEST),
        (b"grant_type=password", [basic("a", "b")], Code.UNSUPPORTED_GRANT_TYPE),
        (b"grant_type=Client_Credentials", [basic("a", "b")], Code.UNSUPPORTED_GRANT_TYPE),
        (GRANT, [], Code.INVALID_CLIENT),
        (GRANT + b"&client_id=a", [], Code.INVALID_CLIENT),
        (GRANT + b"&client_secret=a", [], Code.INVALID_CLIENT),
        (GRANT, ["Bearer abc"], Code.INVALID_CLIENT),
        (GRANT, ["Basic"], Code.INVALID_CLIENT),
        (GRANT, ["Basic !!!!"], Code.INVALID_CLIENT),
        (GRANT, ["Basic YWI="], Code.INVALID_CLIENT),
        (GRANT, ["Basic \u00e9"], Code.INVALID_CLIENT),
        (GRANT, ["Basic " + base64.b64encode(b"\xff:b").decode()], Code.INVALID_CLIENT),
        (GRANT, ["Basic " + base64.b64encode(b"%ff:b").decode()], Code.INVALID_CLIENT),
        (GRANT, [basic("", "b")], Code.INVALID_CLIENT),
        (GRANT, [basic("a", "")], Code.INVALID_CLIENT),
        (GRANT, [basic("a" * 201, "b")], Code.INVALID_CLIENT),
        (GRANT + b"&scope=a++b", [basic("a", "b")], Code.INVALID_SCOPE),
        (GRANT + b"&scope=+a", [basic("a", "b")], Code.INVALID_SCOPE),
    ],
)
def test_what_it_does_not_is_refused_in_its_words(
    body: bytes, authorizations: list[str], code: Code
) -> None:
    refused = parsed(body, authorizations)

    assert isinstance(refused, Refused)
    assert refused.code is code


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data"])
def test_a_body_of_another_kind_is_refused(content_type: str) -> None:
    refused = parsed(GRANT, [basic("a", "b")], content_type)

    assert isinstance(refused, Refused)
    assert refused.code is Code.INVALID_REQUEST


def test_a_charset_beside_the_media_type_does_no_harm() -> None:
    assert isinstance(parsed(GRANT, [basic("a", "b")], f"{FORM}; charset=UTF-8"), TokenRequest)


def test_the_secret_is_in_no_log_of_a_request() -> None:
    assert "swordfish" not in repr(parsed(GRANT, [basic("a", "swordfish")]))
