"""Who hears of changes: caches drop what a notice outdates, and the inbox is looked at."""

from collections.abc import Callable

from billing.entitlements.invalidation import Listener
from billing.storage import client_records as client_rows
from billing.storage import grants
from billing.storage import sessions as session_rows
from billing.webhooks import inbox
from gateway.config.schema import Config
from gateway.stores import Stores


def listener_of(config: Config, stores: Stores, wake: Callable[[], None] | None) -> Listener:
    """Return who listens; `wake` is called when the inbox has a new event."""

    async def on_entitlement(payload: str) -> None:
        client_id, _, version = payload.partition(":")
        await stores.reader.invalidate(client_id, int(version))

    async def on_inbox(_payload: str) -> None:
        if wake is not None:
            wake()

    def on_gap() -> None:
        stores.reader.forget_freshness()
        stores.sessions.forget_freshness()
        stores.clients.forget_all()
        if wake is not None:
            wake()

    handlers = {
        grants.CHANNEL: on_entitlement,
        session_rows.CHANNEL: stores.sessions.forget,
        client_rows.CHANNEL: stores.clients.forget,
    }
    if wake is not None:
        handlers[inbox.CHANNEL] = on_inbox
    return Listener(config.database.url.get_secret_value(), handlers, on_gap)
