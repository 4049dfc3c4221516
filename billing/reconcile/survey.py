"""An operator's look: what there is to read, and what would be written, before it is."""

from collections.abc import AsyncIterator

from billing.facts import ObjectKind, ObjectRef
from billing.ports import Clock
from billing.storage import due
from billing.storage.due import Account, Due
from billing.storage.pool import Database

_ROWS = 500
# More are looked at with `--all`.
_MOST_DUE = 10_000
_KINDS = (ObjectKind.SUBSCRIPTION, ObjectKind.PAYMENT, ObjectKind.CUSTOMER)


class Survey:
    """Lists what an operator wants read: what is due, one client's objects, or everything."""

    def __init__(self, database: Database, account: Account, clock: Clock) -> None:
        self._database = database
        self._account = account
        self._clock = clock

    async def count(self, client_id: str | None) -> int:
        """Return about how many objects `list_all` gives."""
        async with self._database.connection() as connection:
            return await due.count_all(
                connection, self._account, self._clock(), client_id=client_id
            )

    async def list_due(self) -> list[Due]:
        """Return what the reconciler would read next: doubtful, expiring, or open for too long."""
        now = self._clock()
        async with self._database.connection() as connection:
            found = await due.list_unverified(connection, self._account, now, _MOST_DUE)
            found += await due.list_expiring(connection, self._account, now, _MOST_DUE)
            found += await due.list_old_checkouts(connection, self._account, now, _MOST_DUE)
        return list({item.ref: item for item in found}.values())

    async def list_all(self, client_id: str | None) -> AsyncIterator[Due]:
        """Yield everything that may still change, of one client or of all."""
        now = self._clock()
        for kind in _KINDS:
            after = ""
            while True:
                async with self._database.connection() as connection:
                    ids = await due.list_all(
                        connection,
                        self._account,
                        kind,
                        now,
                        client_id=client_id,
                        after=after,
                        limit=_ROWS,
                    )
                for object_id in ids:
                    yield Due(ObjectRef(kind, object_id), "operator")
                if len(ids) < _ROWS:
                    break
                after = ids[-1]
