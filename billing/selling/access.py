"""Writing access by hand: one transaction, one line of audit, and every cache told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from billing.errors import KeyConflictError, NotFoundError, NotPossibleError, UnknownFeatureError
from billing.ports import Changed
from billing.storage import clients, grants
from billing.storage.pool import Connection, Database
from billing.views import BlockView, ManualGrantView

_View = TypeVar("_View", ManualGrantView, BlockView)

Features = Mapping[str, frozenset[str]]
"""Every configured app, with the features that its routes ask for or a plan gives."""


class AccessByHand:
    """Opens the transactions in which operators change what a client may use."""

    def __init__(self, database: Database, features: Features, changed: Changed) -> None:
        self._database = database
        self._features = features
        self._changed = changed

    def check_app(self, app_id: str) -> None:
        """Raise `UnknownFeatureError` unless the app is configured."""
        if app_id not in self._features:
            raise UnknownFeatureError(f"no app {app_id!r} is configured")

    def check_feature(self, app_id: str, feature: str) -> None:
        """Raise `UnknownFeatureError` unless the app has such a feature."""
        self.check_app(app_id)
        if feature not in self._features[app_id]:
            known = ", ".join(sorted(self._features[app_id])) or "none"
            raise UnknownFeatureError(f"app {app_id!r} has no feature {feature!r}; it has {known}")

    @asynccontextmanager
    async def changing(self, client_id: str) -> AsyncIterator[Connection]:
        """Lend a transaction that changes the client's access; at its end all hear of it.

        Raises:
            NotFoundError: there is no such client.
            UnavailableError: nothing was written.
        """
        async with self._database.transaction() as connection:
            if await clients.find_external_id(connection, client_id) is None:
                raise NotFoundError(f"there is no client {client_id}")
            yield connection
            # Last: the row lock that it takes orders the commits of one client.
            version = await grants.bump_version(connection, client_id)
        await self._changed(client_id, version)


def check_same(found: _View | None, wish: Mapping[str, object]) -> _View:
    """Return what a key led to before.

    Raises:
        KeyConflictError: it is not what is wished now.
    """
    if found is None or any(getattr(found, name) != value for name, value in wish.items()):
        raise KeyConflictError("this key was used for something else")
    return found


def check_span(from_at: datetime, until_at: datetime | None) -> None:
    """Raise `NotPossibleError` for what would end before it begins."""
    if until_at is not None and until_at <= from_at:
        raise NotPossibleError("it has to end after it begins")
