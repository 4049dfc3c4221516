"""What a client may use, what is decided on it now, and until when."""

from collections.abc import Mapping, Sequence

from billing.api import problems
from billing.api.call import Aim, Answer, Binding, Call
from billing.api.models import access
from billing.api.models.problem import FieldError
from billing.api.ports import Decide, Facts
from billing.api.problems import ProblemError
from billing.api.resources.clients import check_client
from billing.errors import UnavailableError
from billing.ports import Clock
from billing.storage.pool import Database
from policies.model import Snapshot, Unknown


class EntitlementCalls:
    """Carries the call about entitlements out."""

    def __init__(
        self,
        facts: Facts,
        decide: Decide,
        database: Database,
        app_ids: Sequence[str],
        clock: Clock,
    ) -> None:
        self._facts = facts
        self._decide = decide
        self._database = database
        self._app_ids = tuple(app_ids)
        self._clock = clock

    def bindings(self) -> Mapping[str, Binding]:
        """Return what carries the operation out."""
        return {"get_entitlements": Binding(self._aim, self._get)}

    async def _aim(self, call: Call) -> Aim:
        return Aim(call.path["client_id"], call.asked(access.EntitlementQuery).app or call.app_id)

    async def _get(self, call: Call) -> Answer:
        query = call.asked(access.EntitlementQuery)
        asked = query.app or call.app_id
        if asked is not None and asked not in self._app_ids:
            told = FieldError(parameter="app", detail="There is no such app.")
            raise ProblemError(problems.IMPOSSIBLE, errors=[told])
        client_id = call.path["client_id"]
        await check_client(self._database, client_id)
        facts = await self._facts.read_truth(client_id)
        if isinstance(facts, Unknown):
            raise UnavailableError(facts.why)
        return Answer(self._told(facts, (asked,) if asked else self._app_ids, query.feature))

    def _told(self, facts: Snapshot, app_ids: Sequence[str], feature: str) -> access.Entitlements:
        now = self._clock()
        decided = [(app_id, self._decide(facts, app_id, feature, now)) for app_id in app_ids]
        return access.Entitlements(
            client_id=facts.client_id,
            version=facts.version,
            decided_at=now,
            decisions=[
                access.Verdict.model_validate(
                    {
                        "app_id": app_id,
                        "feature": feature,
                        "outcome": verdict.outcome,
                        "reason": verdict.reason,
                        "plan": verdict.plan,
                        "status": verdict.status,
                        "features": dict(verdict.features),
                        "valid_until": verdict.valid_until,
                    }
                )
                for app_id, verdict in decided
            ],
            grants=[
                access.HeldGrant.model_validate(grant)
                for grant in facts.grants
                if grant.app_id in app_ids
            ],
            blocks=[
                access.HeldBlock.model_validate(block)
                for block in facts.blocks
                if block.app_id is None or block.app_id in app_ids
            ],
        )
