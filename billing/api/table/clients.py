"""Clients and the portal."""

from billing.api import problems
from billing.api.models import clients
from billing.api.operation import Operation
from billing.api.table import examples

OPERATIONS = (
    Operation(
        id="create_client",
        method="POST",
        path="/clients",
        tag="clients",
        summary="Make a client known",
        description="An external id is one client for ever: the same again is a conflict.",
        action="clients:write",
        body=clients.NewClient,
        answer=clients.Client,
        status=201,
        problems=(problems.CONFLICT,),
        is_keyed=True,
        request_example=examples.NEW_CLIENT,
        answer_example=examples.CLIENT,
    ),
    Operation(
        id="list_clients",
        method="GET",
        path="/clients",
        tag="clients",
        summary="List or find clients",
        description="To an app, the list is of those who signed up there. Whoever else ever held"
        " or ordered something of it is its client too, and is found by id, external id or e-mail.",
        action="clients:read",
        query=clients.ClientQuery,
        answer=clients.ClientPage,
        answer_example=examples.page_of(examples.CLIENT),
    ),
    Operation(
        id="get_client",
        method="GET",
        path="/clients/{client_id}",
        tag="clients",
        summary="Look at a client",
        action="clients:read",
        answer=clients.Client,
        problems=(problems.NO_SUCH_THING,),
        answer_example=examples.CLIENT,
    ),
    Operation(
        id="change_client",
        method="PATCH",
        path="/clients/{client_id}",
        tag="clients",
        summary="Change a client's name or e-mail",
        action="clients:write",
        body=clients.ChangedClient,
        answer=clients.Client,
        problems=(problems.NO_SUCH_THING, problems.CONFLICT),
        request_example={"name": "Ann B. Example"},
        answer_example=examples.CLIENT | {"name": "Ann B. Example"},
    ),
    Operation(
        id="sign_out_client",
        method="POST",
        path="/clients/{client_id}/sign-out",
        tag="clients",
        summary="Sign a client out everywhere",
        description="Its sessions end, at once and in every process, and every token that was"
        " issued until now is refused, whoever issued it: for a stolen one. What is open ends too.",
        action="clients:write",
        answer=clients.Client,
        problems=(problems.NO_SUCH_THING,),
        answer_example=examples.CLIENT,
    ),
    Operation(
        id="erase_client",
        method="DELETE",
        path="/clients/{client_id}",
        tag="clients",
        summary="Erase a client's personal data",
        description="Name and e-mail are gone for good, and the client is closed. What was paid"
        " stays, since the law wants it kept. End its subscriptions first; an open checkout has to"
        " be paid or to expire before, which takes a day at most.",
        action="clients:erase",
        answer=clients.Client,
        problems=(problems.NO_SUCH_THING, problems.CONFLICT),
        answer_example=examples.CLIENT | {"name": None, "email": None, "status": "closed"},
    ),
    Operation(
        id="open_portal",
        method="POST",
        path="/clients/{client_id}/portal",
        tag="clients",
        summary="Open the provider's portal",
        description="There the client mends its payment, and finds its invoices. Who has paid"
        " for nothing yet has none.",
        action="portal:write",
        body=clients.OpenPortal,
        answer=clients.Portal,
        status=201,
        problems=(problems.NO_SUCH_THING, problems.CONFLICT, problems.PROVIDER_REFUSED),
        request_example=examples.RETURN,
        answer_example=examples.PORTAL,
    ),
)
