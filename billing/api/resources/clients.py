"""Clients and the portal."""

from collections.abc import Mapping, Sequence

from billing.api import problems
from billing.api.call import NOBODYS, Aim, Answer, Binding, Call
from billing.api.cursor import read_id, write_text
from billing.api.lists import next_url_of
from billing.api.models import clients as models
from billing.api.models.problem import FieldError
from billing.api.places import Places
from billing.api.ports import Door, Portal
from billing.api.problems import ProblemError
from billing.api.resources.aims import path_client
from billing.errors import NotFoundError, NotYoursError
from billing.ports import Clock
from billing.storage import client_records
from billing.storage.client_endings import erase_client, sign_out_client
from billing.storage.client_records import Client
from billing.storage.pool import Database
from policies.permission import Role


async def check_client(database: Database, client_id: str) -> None:
    """Raise `NoSuchClientError` unless there is such a client."""
    async with database.connection() as connection:
        await client_records.get_client(connection, client_id)


async def check_open_client(database: Database, client_id: str) -> None:
    """Refuse to do anything for a client who is closed.

    Raises:
        NoSuchClientError: there is none.
        ProblemError: 409; it is closed.
    """
    async with database.connection() as connection:
        client = await client_records.get_client(connection, client_id)
    if client.status != "active":
        raise ProblemError(problems.CONFLICT, "The client is closed.")


class ClientCalls:
    """Carries the calls about clients out."""

    def __init__(
        self,
        database: Database,
        portal: Portal,
        door: Door,
        places: Places,
        clock: Clock,
        url: str,
    ) -> None:
        self._database = database
        self._portal = portal
        self._door = door
        self._places = places
        self._clock = clock
        self._url = url

    def bindings(self) -> Mapping[str, Binding]:
        """Return what carries each operation out."""
        return {
            "create_client": Binding(self._aim_at_new, self._create),
            "list_clients": Binding(self._aim_at_list, self._list),
            "get_client": Binding(path_client, self._get),
            "change_client": Binding(path_client, self._change),
            "sign_out_client": Binding(path_client, self._sign_out),
            "erase_client": Binding(path_client, self._erase),
            "open_portal": Binding(path_client, self._open_portal),
        }

    async def _aim_at_new(self, call: Call) -> Aim:
        return Aim(app_id=call.told(models.NewClient).app_id)

    async def _aim_at_list(self, call: Call) -> Aim:
        """Return that a client who looks for itself looks for itself."""
        query = call.asked(models.ClientQuery)
        if query.external_id is not None and query.email is not None:
            told = FieldError(parameter="email", detail="Look for one of the two.")
            raise ProblemError(problems.IMPOSSIBLE, errors=[told])
        if call.caller.role is not Role.CLIENT or query.external_id is None:
            return Aim()
        async with self._database.connection() as connection:
            found = await client_records.find_by_external_id(connection, query.external_id)
        return Aim(found.id) if found is not None else NOBODYS

    async def _create(self, call: Call) -> Answer:
        body = call.told(models.NewClient)
        async with self._database.transaction() as connection:
            client = await client_records.create_client(
                connection,
                body.external_id,
                call.cause,
                name=body.name,
                email=body.email,
                app_id=body.app_id or call.app_id,
            )
        return Answer(_told(client), f"/clients/{client.id}", client_id=client.id)

    async def _list(self, call: Call) -> Answer:
        query = call.asked(models.ClientQuery)
        after = read_id(query.cursor)
        async with self._database.connection() as connection:
            if query.external_id is not None:
                one = await client_records.find_by_external_id(connection, query.external_id)
                found, cursor = [one] if one else [], None
            elif query.email is not None:
                found, cursor = await client_records.find_by_email(connection, query.email), None
            else:
                page = await client_records.list_clients(
                    connection, limit=query.limit, after=after, app_id=call.app_id
                )
                url = next_url_of(
                    f"{self._url}/clients", query, write_text(page.after) if page.after else None
                )
                return Answer(models.ClientPage(items=[_told(c) for c in page.clients], next=url))
        return Answer(models.ClientPage(items=await self._own(call, found), next=cursor))

    async def _own(self, call: Call, found: Sequence[Client]) -> list[models.Client]:
        """Return those of whom the caller may hear; to look for another's is recorded."""
        kept = []
        for client in found:
            try:
                await self._door.permit(
                    call.caller, "clients:read", client_id=client.id, request_id=call.request_id
                )
            except NotYoursError:
                continue
            kept.append(_told(client))
        return kept

    async def _get(self, call: Call) -> Answer:
        async with self._database.connection() as connection:
            client = await client_records.get_client(connection, call.path["client_id"])
        return Answer(_told(client))

    async def _change(self, call: Call) -> Answer:
        client_id = call.path["client_id"]
        await check_open_client(self._database, client_id)
        changes = call.told(models.ChangedClient).model_dump(exclude_unset=True)
        async with self._database.transaction() as connection:
            client = await client_records.update_client(connection, client_id, call.cause, changes)
        return Answer(_told(client))

    async def _sign_out(self, call: Call) -> Answer:
        client_id = call.path["client_id"]
        async with self._database.transaction() as connection:
            client = await sign_out_client(connection, client_id, call.cause, self._clock())
        return Answer(_told(client))

    async def _erase(self, call: Call) -> Answer:
        client_id = call.path["client_id"]
        async with self._database.transaction() as connection:
            client = await erase_client(connection, client_id, call.cause, self._clock())
        return Answer(_told(client))

    async def _open_portal(self, call: Call) -> Answer:
        client_id = call.path["client_id"]
        place = self._places.get(call.told(models.OpenPortal).return_url)
        await check_open_client(self._database, client_id)
        try:
            url = await self._portal.open(client_id, place.url)
        except NotFoundError:
            detail = "The client has paid for nothing yet, and so has no portal: let it buy first."
            raise ProblemError(problems.CONFLICT, detail) from None
        return Answer(models.Portal(url=url))


def _told(client: Client) -> models.Client:
    return models.Client.model_validate(client)
