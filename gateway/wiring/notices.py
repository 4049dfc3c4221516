"""Who hears of changes: caches drop what a notice outdates, and the inbox is looked at."""

from collections.abc import Callable

from billing.entitlements.invalidation import Listener
from billing.storage import client_endings, grants, refresh_notices
from billing.storage import sessions as session_rows
from billing.storage.ids import parse_id
from billing.webhooks import inbox
from gateway.config.schema import Config
from gateway.health import Check
from gateway.stores import Stores


def listener_of(
    config: Config,
    stores: Stores,
    wake: Callable[[], None] | None,
    refresh: Callable[[str], None] | None = None,
) -> Listener:
    """Return who listens; `wake` is called when the inbox has a new event.

    `refresh` is called with a client whose facts somebody wants read at the provider.
    """

    async def on_entitlement(payload: str) -> None:
        client_id, _, version = payload.partition(":")
        await stores.reader.invalidate(client_id, int(version))

    async def on_inbox(_payload: str) -> None:
        if wake is not None:
            wake()

    async def on_refresh(payload: str) -> None:
        if refresh is not None and parse_id(payload) is not None:
            refresh(payload)

    def on_gap() -> None:
        stores.reader.forget_freshness()
        stores.sessions.forget_freshness()
        stores.clients.forget_all()
        if wake is not None:
            wake()

    handlers = {
        grants.CHANNEL: on_entitlement,
        session_rows.CHANNEL: stores.sessions.forget,
        client_endings.CHANNEL: stores.clients.forget,
        refresh_notices.ANSWERED: stores.refreshing.answered,
    }
    if refresh is not None:
        handlers[refresh_notices.ASKED] = on_refresh
    if wake is not None:
        handlers[inbox.CHANNEL] = on_inbox
    return Listener(config.database.url.get_secret_value(), handlers, on_gap)


def listening_of(listener: Listener) -> Check:
    """Return how to find out since when changes are not heard of, if they are not."""

    async def listening() -> str | None:
        deaf_since_at = listener.deaf_since_at
        if deaf_since_at is None:
            return None
        return f"not hearing of changes since {deaf_since_at:%Y-%m-%dT%H:%M:%SZ}"

    return listening
