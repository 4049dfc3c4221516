"""Whether whoever a token speaks for still is what it says: looked up, and remembered briefly."""

import math
from collections.abc import Callable
from typing import Final

from cachetools import TTLCache

from billing.storage.callers import find_sign_out, is_credential_live
from billing.storage.pool import Database

FRESH_S: Final = 10.0
"""Tokens of a disabled credential, and of a client who was closed or signed out, are taken this
long at most."""
_MAX_KEPT: Final = 20_000
# No token is of later than that.
_CLOSED: Final = math.inf


class Standing:
    """Credentials and clients, as last seen."""

    def __init__(self, database: Database, monotonic_s: Callable[[], float]) -> None:
        self._database = database
        self._credentials: TTLCache[str, bool] = TTLCache(_MAX_KEPT, FRESH_S, timer=monotonic_s)
        self._clients: TTLCache[str, float] = TTLCache(_MAX_KEPT, FRESH_S, timer=monotonic_s)

    async def is_credential_live(self, credential_id: str) -> bool:
        """Tell whether the credential is there, and not disabled.

        Raises:
            UnavailableError: the database does not answer.
        """
        found: bool | None = self._credentials.get(credential_id)
        if found is None:
            async with self._database.connection() as connection:
                found = await is_credential_live(connection, credential_id)
            self._credentials[credential_id] = found
        return found

    async def may_speak_for(self, client_id: str, issued_s: float) -> bool:
        """Tell whether a token of then still speaks for the client; raises as above.

        It does not for one who is closed, or was signed out everywhere since.
        """
        signed_out_s: float | None = self._clients.get(client_id)
        if signed_out_s is None:
            async with self._database.connection() as connection:
                found = await find_sign_out(connection, client_id)
            signed_out_s = self._clients[client_id] = _CLOSED if found is None else found
        return issued_s >= signed_out_s
