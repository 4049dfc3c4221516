"""What the ladder needs of a cache that processes share, and who stands in where there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from policies.model import Snapshot


@dataclass(frozen=True, slots=True)
class Shared:
    """A snapshot from the shared cache; `as_of` as in `storage.grants.read_snapshot_row`."""

    snapshot: Snapshot
    as_of: int


class SharedStore(Protocol):
    """A cache outside the process; `redis_store.RedisStore`, or `NoSharedStore`. Never raises."""

    async def find(self, client_id: str) -> Shared | None:
        """Return what is kept of the client, or None for a miss or a failure."""
        ...

    async def put(self, snapshot: Snapshot, as_of: int) -> None:
        """Keep the snapshot unless a newer one is known."""
        ...

    async def invalidate(self, changes: Mapping[str, int], channel: str) -> bool:
        """Drop what is below the clients' versions and tell on `channel`; False: not all done."""
        ...

    async def tell(self, channel: str, payload: str) -> None:
        """Tell all processes of something that ended."""
        ...


class NoSharedStore:
    """Stands in where no Redis is configured; a first-class mode, not a fault."""

    async def find(self, client_id: str) -> Shared | None:  # noqa: ARG002 - nothing is kept
        """Miss."""
        return None

    async def put(self, snapshot: Snapshot, as_of: int) -> None:
        """Keep nothing."""

    async def invalidate(
        self,
        changes: Mapping[str, int],  # noqa: ARG002 - there is nothing to drop
        channel: str,  # noqa: ARG002 - and nobody to tell
    ) -> bool:
        """Drop nothing."""
        return True

    async def tell(self, channel: str, payload: str) -> None:
        """Tell nobody."""
