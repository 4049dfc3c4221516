"""What came from files: good while Postgres does not answer, and until it is known better."""

from collections.abc import Iterator
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from cachetools import Cache

from billing.ports import Clock


class _Known(Protocol):
    """`records.KnownSession` or `KnownName`."""

    @property
    def client_id(self) -> str: ...
    @property
    def until_at(self) -> datetime | None: ...


_T = TypeVar("_T", bound=_Known)


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Seeds(Generic[_T]):
    """Sessions or names, by their hash. Bounded by the files that they came from."""

    def __init__(self, wall: Clock) -> None:
        self._wall = wall
        self._seeds: dict[bytes, _T] = {}

    def put(self, key: bytes, seed: _T) -> None:
        """Keep it, unless one is there that is good for longer."""
        known = self._seeds.get(key)
        if known is None or _outlasts(seed, known):
            self._seeds[key] = seed

    def find(self, key: bytes) -> _T | None:
        """Return it while it is good."""
        seed = self._seeds.get(key)
        return seed if seed is not None and _is_good(seed, self._wall()) else None

    def forget(self, key: bytes) -> None:
        """Drop it: it is known better, or has ended."""
        self._seeds.pop(key, None)

    def forget_client(self, client_id: str) -> None:
        """Drop all of the client."""
        for key in [key for key, seed in self._seeds.items() if seed.client_id == client_id]:
            del self._seeds[key]

    def __iter__(self) -> Iterator[_T]:
        """Iterate over those that are good, whatever changes meanwhile."""
        now = self._wall()
        return (seed for seed in list(self._seeds.values()) if _is_good(seed, now))

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._seeds)


def items_of(cache: Cache[_Key, _Value]) -> Iterator[tuple[_Key, _Value]]:
    """Iterate over what is in the cache, whatever changes meanwhile; it counts as no use of it."""
    for key in list(cache):
        try:
            yield key, Cache.__getitem__(cache, key)
        except KeyError:
            continue


def _is_good(seed: _Known, now: datetime) -> bool:
    return seed.until_at is None or now < seed.until_at


def _outlasts(seed: _Known, other: _Known) -> bool:
    return other.until_at is not None and _is_good(seed, other.until_at)
