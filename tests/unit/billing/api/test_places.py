import pytest

from billing.api.places import Place, Places
from billing.api.problems import IMPOSSIBLE, ProblemError

PLACES = Places(
    {
        "https://notes.example.com": "notes.example.com",
        "http://wiki.localhost:8080": "wiki.localhost",
    },
    "https://pay.example.com",
    "pay.example.com",
)


def test_without_a_page_the_client_comes_back_to_its_account() -> None:
    assert PLACES.get(None) == Place(
        "https://pay.example.com/account", "pay.example.com", "/account"
    )


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://notes.example.com", "notes.example.com", "/"),
        ("https://Notes.Example.com/a?b=c", "notes.example.com", "/a?b=c"),
        ("http://wiki.localhost:8080/x", "wiki.localhost", "/x"),
    ],
)
def test_a_page_of_an_app_is_taken(url: str, host: str, target: str) -> None:
    place = PLACES.get(url)

    assert (place.host, place.target) == (host, target)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "http://notes.example.com/",
        "https://notes.example.com:444/",
        "https://notes.example.com@evil.example/",
        "https://user@notes.example.com/",
        "https://notes.example.com.evil.example/",
        "https://notes.example.com\\@evil.example/",
        "https://notes.example.com//evil.example/",
        "https://notes.example.com/\\evil.example",
        "https://notes.example.com/#part",
        "https://[::1",
        "https:notes.example.com",
        "https:///notes.example.com",
        "javascript:alert(1)",
    ],
)
def test_nobody_is_sent_to_a_place_of_the_callers_choosing(url: str) -> None:
    with pytest.raises(ProblemError) as caught:
        PLACES.get(url)

    assert caught.value.problem is IMPOSSIBLE
    assert [error.pointer for error in caught.value.errors] == ["/return_url"]
