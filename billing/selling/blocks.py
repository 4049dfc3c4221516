"""Bars that an operator lays over every grant of a client."""

from datetime import datetime

from billing.errors import NotFoundError
from billing.model import Cause
from billing.ports import Clock
from billing.selling.access import AccessByHand, check_same, check_span
from billing.storage import audit, blocks
from billing.storage.pool import Database
from billing.views import BlockService, BlockView


class Blocks:
    """Lays and lifts bars."""

    def __init__(self, database: Database, access: AccessByHand, clock: Clock) -> None:
        self._database = database
        self._access = access
        self._clock = clock

    async def lay(
        self,
        client_id: str,
        app_id: str | None,
        service: BlockService,
        *,
        from_at: datetime | None = None,
        until_at: datetime | None,
        reason: str,
        cause: Cause,
        key: str | None = None,
    ) -> BlockView:
        """Bar the client from the app, or from all, from one instant, or from now, until another.

        Under a key it is laid once: the same wish finds what it laid, even if that was lifted.

        Raises:
            UnknownFeatureError: no such app is configured.
            NotFoundError: there is no such client.
            NotPossibleError: it would end before it begins.
            KeyConflictError: the key was used for something else.
        """
        begins_at = from_at or self._clock()
        if app_id is not None:
            self._access.check_app(app_id)
        check_span(begins_at, until_at)
        async with self._access.changing(client_id) as connection:
            laid = await blocks.insert_block(
                connection,
                client_id,
                app_id,
                service,
                from_at=begins_at,
                until_at=until_at,
                reason=reason,
                actor=cause.actor,
                key=key,
            )
            if laid is None:
                found = await blocks.find_laid(connection, key or "")
                # Its end moves when it is lifted, and says nothing of what was wished.
                wish = {"client_id": client_id, "app_id": app_id, "service": service}
                return check_same(found, wish | {"reason": reason})
            await audit.write_audit(connection, "block.laid", client_id, cause, after=_told(laid))
        return laid

    async def lift(self, block_id: str, reason: str, cause: Cause) -> BlockView:
        """End the bar now; one that is over already stays as it is.

        Raises:
            NotFoundError: there is no such bar.
        """
        held = await self.find(block_id)
        if held is None:
            raise NotFoundError(f"there is no bar {block_id}")
        async with self._access.changing(held.client_id) as connection:
            lifted = await blocks.end_block(connection, block_id, self._clock())
            if lifted is not None:
                await audit.write_audit(
                    connection,
                    "block.lifted",
                    held.client_id,
                    cause,
                    before=_told(held),
                    after=_told(lifted) | {"reason": reason},
                )
        return lifted or held

    async def find(self, block_id: str) -> BlockView | None:
        """Return the bar."""
        async with self._database.connection() as connection:
            return await blocks.find_block(connection, block_id)

    async def list(self, client_id: str) -> tuple[BlockView, ...]:
        """Return the client's bars, the newest first, lifted ones too."""
        async with self._database.connection() as connection:
            return await blocks.list_blocks(connection, client_id)


def _told(block: BlockView) -> dict[str, object]:
    """Return the bar for the audit log."""
    return {
        "block": block.id,
        "app": block.app_id,
        "service": block.service.value,
        "from_at": block.from_at.isoformat(),
        "until_at": block.until_at.isoformat() if block.until_at else None,
        "reason": block.reason,
    }
