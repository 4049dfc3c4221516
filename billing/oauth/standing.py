"""Whether whoever a token speaks for still is what it says: looked up, and remembered briefly."""

from collections.abc import Callable
from typing import Final

from cachetools import TTLCache

from billing.storage.callers import is_client_open, is_credential_live
from billing.storage.pool import Database

FRESH_S: Final = 10.0
"""A disabled credential's tokens, and a closed client's, are taken this long at most."""
_MAX_KEPT: Final = 20_000


class Standing:
    """Credentials and clients, as last seen."""

    def __init__(self, database: Database, monotonic_s: Callable[[], float]) -> None:
        self._database = database
        self._kept: TTLCache[tuple[str, str], bool] = TTLCache(
            _MAX_KEPT, FRESH_S, timer=monotonic_s
        )

    async def is_credential_live(self, credential_id: str) -> bool:
        """Tell whether the credential is there, and not disabled.

        Raises:
            UnavailableError: the database does not answer.
        """
        return await self._look("credential", credential_id)

    async def is_client_open(self, client_id: str) -> bool:
        """Tell whether the client is there, and not closed; raises as above."""
        return await self._look("client", client_id)

    async def _look(self, kind: str, id_: str) -> bool:
        found: bool | None = self._kept.get((kind, id_))
        if found is None:
            ask = is_client_open if kind == "client" else is_credential_live
            async with self._database.connection() as connection:
                found = await ask(connection, id_)
            self._kept[kind, id_] = found
        return found
