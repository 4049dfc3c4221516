"""Notices between who refuses a client because time passed, and who can ask the provider."""

from typing import Final

from billing.storage.pool import Connection

ASKED: Final = "tollway_refresh"
"""Payload: the client whose facts shall be read at the provider."""
ANSWERED: Final = "tollway_refreshed"
"""Payload: a client whose facts were read, or could not be; what changed was told before."""


async def ask(connection: Connection, client_id: str) -> None:
    """Ask whoever listens to read the client's facts."""
    await connection.execute("select pg_notify($1, $2)", ASKED, client_id)


async def answer(connection: Connection, client_id: str) -> None:
    """Tell that nothing more is to be waited for."""
    await connection.execute("select pg_notify($1, $2)", ANSWERED, client_id)
