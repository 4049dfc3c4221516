"""Who hears of changes: caches drop what a notice outdates, and the inbox is looked at.

Notices come from Postgres. Where there is Redis, who hears one passes it on there, for processes
that have lost Postgres; what comes from there is not passed on again.
"""

from collections.abc import Callable, Mapping

from billing.entitlements.errands import Errands
from billing.entitlements.invalidation import Handler, Listener, Missed
from billing.entitlements.redis_notices import RedisListener
from billing.storage import client_endings, grants, refresh_notices
from billing.storage import sessions as session_rows
from billing.storage.ids import parse_id
from billing.webhooks import inbox
from gateway.config.schema import Config
from gateway.health import Check
from gateway.stores import Stores

# Sessions and clients that ended just now, on their way to Redis.
_MOST_TOLD = 1_000


def listener_of(
    config: Config,
    stores: Stores,
    wake: Callable[[], None] | None,
    refresh: Callable[[str], None] | None = None,
) -> Listener:
    """Return who listens; `wake` is called when the inbox has a new event.

    `refresh` is called with a client whose facts somebody wants read at the provider.
    """
    told = Errands(_MOST_TOLD)

    async def on_inbox(_payload: str) -> None:
        if wake is not None:
            wake()

    async def on_refresh(payload: str) -> None:
        if refresh is not None and parse_id(payload) is not None:
            refresh(payload)

    def told_to_all(channel: str, handler: Handler) -> Handler:
        async def hear_and_tell(payload: str) -> None:
            await handler(payload)
            told.send(stores.shared.tell(channel, payload), "notice for redis")

        return hear_and_tell

    endings: Mapping[str, Handler] = {
        session_rows.CHANNEL: stores.sessions.forget,
        client_endings.CHANNEL: stores.clients.forget,
    }
    handlers = {
        grants.CHANNEL: _versions(stores.reader.outdate),
        **{channel: told_to_all(channel, handler) for channel, handler in endings.items()},
        refresh_notices.ANSWERED: stores.refreshing.answered,
    }
    if refresh is not None:
        handlers[refresh_notices.ASKED] = on_refresh
    if wake is not None:
        handlers[inbox.CHANNEL] = on_inbox
    beside = None
    if stores.redis is not None:
        passed_on = {grants.CHANNEL: _versions(stores.reader.hear), **endings}
        beside = RedisListener(stores.redis, stores.signer, passed_on).run
    return Listener(
        config.database.url.get_secret_value(), handlers, _Caches(stores, wake), beside=beside
    )


class _Caches:
    """Tells every cache whether all changes are heard (`invalidation.Ears`)."""

    def __init__(self, stores: Stores, wake: Callable[[], None] | None) -> None:
        self._stores = stores
        self._wake = wake

    def lost(self) -> None:
        """Changes may go unheard from now on."""
        self._stores.reader.lost()
        self._stores.sessions.lost()
        self._stores.clients.lost()

    def hears(self, missed: Missed) -> None:
        """All changes are heard from now on; of sessions and clients nobody can say which."""
        self._stores.reader.hears(missed)
        self._stores.sessions.hears()
        self._stores.clients.hears()
        if self._wake is not None:
            self._wake()


def _versions(outdate: Callable[[str, int], None]) -> Handler:
    async def on_version(payload: str) -> None:
        client_id, _, version = payload.partition(":")
        outdate(client_id, int(version))

    return on_version


def listening_of(listener: Listener) -> Check:
    """Return how to find out since when changes are not heard of, if they are not."""

    async def listening() -> str | None:
        deaf_since_at = listener.deaf_since_at
        if deaf_since_at is None:
            return None
        return f"not hearing of changes since {deaf_since_at:%Y-%m-%dT%H:%M:%SZ}"

    return listening
