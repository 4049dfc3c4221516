"""Grants and blocks by hand."""

from collections.abc import Mapping

from billing.api.call import NOBODYS, Aim, Answer, Binding, Call
from billing.api.models import access
from billing.api.ports import Blocks, Grants
from billing.api.resources.aims import path_client
from billing.api.resources.clients import check_client, check_open_client
from billing.storage.pool import Database
from billing.views import BlockService


class GrantCalls:
    """Carries the calls about grants and blocks out."""

    def __init__(self, grants: Grants, blocks: Blocks, database: Database) -> None:
        self._grants = grants
        self._blocks = blocks
        self._database = database

    def bindings(self) -> Mapping[str, Binding]:
        """Return what carries each operation out."""
        return {
            "give_grant": Binding(path_client, self._give),
            "list_grants": Binding(path_client, self._list_grants),
            "end_grant": Binding(self._aim_at_grant, self._end),
            "lay_block": Binding(path_client, self._lay),
            "list_blocks": Binding(path_client, self._list_blocks),
            "lift_block": Binding(self._aim_at_block, self._lift),
        }

    async def _aim_at_grant(self, call: Call) -> Aim:
        grant = await self._grants.find(call.path["grant_id"])
        return Aim(grant.client_id, grant.app_id) if grant is not None else NOBODYS

    async def _aim_at_block(self, call: Call) -> Aim:
        block = await self._blocks.find(call.path["block_id"])
        return Aim(block.client_id, block.app_id) if block is not None else NOBODYS

    async def _give(self, call: Call) -> Answer:
        body = call.told(access.GiveGrant)
        client_id = call.path["client_id"]
        await check_open_client(self._database, client_id)
        grant = await self._grants.give(
            client_id,
            body.app_id,
            body.feature,
            body.value,
            from_at=body.from_at,
            until_at=body.until_at,
            reason=body.reason,
            cause=call.cause,
            key=call.command_key,
        )
        return Answer(access.Grant.model_validate(grant), f"/clients/{client_id}/grants")

    async def _list_grants(self, call: Call) -> Answer:
        grants = await self._grants.list(await self._known(call))
        return Answer(access.GrantList(items=[access.Grant.model_validate(g) for g in grants]))

    async def _end(self, call: Call) -> Answer:
        reason = call.asked(access.EndReason).reason
        grant = await self._grants.end(call.path["grant_id"], reason, call.cause)
        return Answer(access.Grant.model_validate(grant))

    async def _lay(self, call: Call) -> Answer:
        body = call.told(access.LayBlock)
        client_id = call.path["client_id"]
        await check_open_client(self._database, client_id)
        block = await self._blocks.lay(
            client_id,
            body.app_id,
            BlockService(body.service),
            from_at=body.from_at,
            until_at=body.until_at,
            reason=body.reason,
            cause=call.cause,
            key=call.command_key,
        )
        return Answer(access.Block.model_validate(block), f"/clients/{client_id}/blocks")

    async def _list_blocks(self, call: Call) -> Answer:
        blocks = await self._blocks.list(await self._known(call))
        return Answer(access.BlockList(items=[access.Block.model_validate(b) for b in blocks]))

    async def _lift(self, call: Call) -> Answer:
        reason = call.asked(access.EndReason).reason
        block = await self._blocks.lift(call.path["block_id"], reason, call.cause)
        return Answer(access.Block.model_validate(block))

    async def _known(self, call: Call) -> str:
        client_id = call.path["client_id"]
        await check_client(self._database, client_id)
        return client_id
