import pytest

from billing.crypto.sealing import checked_name, email_indexes, normalized_email
from billing.errors import InvalidClientError
from tests.support.keys import RING


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann@Example.COM \n", "ann@example.com"),
        ("\uff41nn@example.com", "ann@example.com"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example"),
        ('"a@b"@example.com', '"a@b"@example.com'),
    ],
)
def test_all_spellings_of_an_address_are_one(written: str, normal: str) -> None:
    assert normalized_email(written) == normal
    assert email_indexes(RING, written) == email_indexes(RING, normal)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@",
        "ann@",
        "@example.com",
        "a b@example.com",
        "a\0@b.c",
        "a@b..c",
        "a" * 251 + "@b.c",
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidClientError) as caught:
        normalized_email(text)

    assert str(caught.value) == "an e-mail address is written name@domain"


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidClientError):
        checked_name(name)
