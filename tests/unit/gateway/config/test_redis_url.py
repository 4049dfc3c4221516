"""URLs of one Redis, of several behind Sentinels, and of a cluster."""

import pytest

from gateway.config.redis_url import RedisPlace, parse_redis_url
from gateway.redis_client import redis_client_of


@pytest.mark.parametrize(
    "url", ["redis://h:6379/0", "rediss://user:secret@h/1", "unix:///run/valkey.sock"]
)
def test_url_of_one_server_is_left_to_the_library(url: str) -> None:
    assert parse_redis_url(url) is None


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "redis+sentinel://a:1,b/shop/3",
            RedisPlace("sentinel", False, (("a", 1), ("b", 26379)), None, None, "shop", 3),
        ),
        (
            "rediss+sentinel://:p%40ss@[::1]:7/shop",
            RedisPlace("sentinel", True, (("::1", 7),), None, "p@ss", "shop", 0),
        ),
        (
            "redis+cluster://ann:secret@a:7,b:8,c",
            RedisPlace("cluster", False, (("a", 7), ("b", 8), ("c", 6379)), "ann", "secret", "", 0),
        ),
        ("rediss+cluster://a", RedisPlace("cluster", True, (("a", 6379),), None, None, "", 0)),
    ],
)
def test_url_of_several_servers_says_all_of_them(url: str, place: RedisPlace) -> None:
    assert parse_redis_url(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop",
        "http://secret:secret@h",
        "redis+sentinel://h:26379",
        "redis+sentinel:///shop",
        "redis+sentinel://secret:secret@h:x/shop",
        "redis+sentinel://a,,b/shop",
        "redis+sentinel://h/shop/one",
        "redis+sentinel://h/shop/²",
        "redis+sentinel://h/shop/0/1",
        "redis+cluster://h/0",
        "redis+cluster://h:99999",
        "redis+cluster://secret:secret@h?x=1",
        "redis+nothing://h",
        "unix+cluster://h",
    ],
)
def test_anything_else_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected|ends|number") as refused:
        parse_redis_url(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:6379/0",
        "unix:///run/valkey.sock",
        "redis+sentinel://a:1,b:2/shop/3",
        "rediss+sentinel://a:1/shop",
        "redis+cluster://a:7,b:8",
        "rediss+cluster://a:7",
    ],
)
async def test_client_of_each_is_made_without_connecting(url: str) -> None:
    assert redis_client_of(url, 0.5)
