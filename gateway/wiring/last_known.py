"""The last-known file of a process, joined."""

from datetime import timedelta
from pathlib import Path

from billing.entitlements.invalidation import Listener
from billing.ports import Clock
from gateway.config.schema import Config
from gateway.health import Check
from gateway.last_known.keeper import LastKnown, Memories, Terms
from gateway.stores import Stores

_FOLDER = "last-known"


def last_known_of(
    config: Config, run_folder: Path, name: str, stores: Stores, now: Clock
) -> LastKnown | None:
    """Return what keeps the file of the process of this name; None if none is kept."""
    settings = config.entitlements.last_known
    if settings.lease_s == 0:
        return None
    return LastKnown(
        Path(settings.folder) if settings.folder else run_folder / _FOLDER,
        name,
        stores.keys,
        Terms(settings.every_s, timedelta(seconds=settings.lease_s)),
        Memories(stores.memory, stores.sessions, stores.clients),
        now,
    )


def using_of(last_known: LastKnown, listener: Listener) -> Check:
    """Return how to find out whether clients are served by what was written down."""

    async def using() -> str | None:
        if listener.deaf_since_at is None:
            last_known.told = None
        return last_known.told

    return using
