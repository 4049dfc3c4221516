"""Access that an operator gives by hand: dated, with reason and author."""

from datetime import datetime

from billing.errors import NotFoundError
from billing.model import Cause, FeatureValue
from billing.ports import Clock
from billing.selling.access import AccessByHand, check_same, check_span
from billing.storage import audit, manual_grants
from billing.storage.pool import Database
from billing.views import ManualGrantView


class ManualGrants:
    """Gives and ends grants by hand; no fact of a provider touches them, nor they those."""

    def __init__(self, database: Database, access: AccessByHand, clock: Clock) -> None:
        self._database = database
        self._access = access
        self._clock = clock

    async def give(
        self,
        client_id: str,
        app_id: str,
        feature: str,
        value: FeatureValue,
        *,
        from_at: datetime | None = None,
        until_at: datetime | None,
        reason: str,
        cause: Cause,
        key: str | None = None,
    ) -> ManualGrantView:
        """Give the feature of the app from one instant, or from now, until another.

        Under a key it is given once: the same wish finds what it gave, even if that has ended.

        Raises:
            UnknownFeatureError: no such app or feature is configured.
            NotFoundError: there is no such client.
            NotPossibleError: it would end before it begins.
            KeyConflictError: the key was used for something else.
        """
        self._access.check_feature(app_id, feature)
        begins_at = from_at or self._clock()
        check_span(begins_at, until_at)
        async with self._access.changing(client_id) as connection:
            given = await manual_grants.insert_grant(
                connection,
                client_id,
                app_id,
                feature,
                value,
                from_at=begins_at,
                until_at=until_at,
                reason=reason,
                actor=cause.actor,
                key=key,
            )
            if given is None:
                found = await manual_grants.find_given(connection, key or "", app_id, feature)
                wish = {"client_id": client_id, "value": value, "until_at": until_at}
                return check_same(found, wish | {"reason": reason})
            await audit.write_audit(connection, "grant.given", client_id, cause, after=_told(given))
        return given

    async def end(self, grant_id: str, reason: str, cause: Cause) -> ManualGrantView:
        """End the grant now; one that is ended already stays as it is.

        Raises:
            NotFoundError: there is no such grant by hand.
        """
        held = await self.find(grant_id)
        if held is None:
            raise NotFoundError(f"there is no grant by hand {grant_id}")
        if held.ended_at is not None:
            return held
        async with self._access.changing(held.client_id) as connection:
            ended = await manual_grants.end_grant(connection, grant_id, self._clock())
            if ended is not None:
                await audit.write_audit(
                    connection,
                    "grant.ended",
                    held.client_id,
                    cause,
                    before=_told(held),
                    after=_told(ended) | {"reason": reason},
                )
        return ended or held

    async def find(self, grant_id: str) -> ManualGrantView | None:
        """Return the grant by hand."""
        async with self._database.connection() as connection:
            return await manual_grants.find_grant(connection, grant_id)

    async def list(self, client_id: str) -> tuple[ManualGrantView, ...]:
        """Return the client's grants by hand, the newest first, ended ones too."""
        async with self._database.connection() as connection:
            return await manual_grants.list_grants(connection, client_id)


def _told(grant: ManualGrantView) -> dict[str, object]:
    """Return the grant for the audit log."""
    return {
        "grant": grant.id,
        "feature": f"{grant.app_id}/{grant.feature}",
        "value": grant.value,
        "from_at": grant.from_at.isoformat(),
        "until_at": grant.until_at.isoformat() if grant.until_at else None,
        "ended_at": grant.ended_at.isoformat() if grant.ended_at else None,
        "reason": grant.reason,
    }
