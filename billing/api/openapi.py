"""The OpenAPI 3.1 document, made from the same table and models that route and validate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from billing.api import problems
from billing.api.beside import BESIDE
from billing.api.models.problem import ProblemDocument
from billing.api.operation import Operation
from billing.api.operations import OPERATIONS
from billing.api.path import PATH_VALUES
from billing.api.problems import ApiProblem
from policies.permission import SCOPES, scope_of

# What JSON can say.
Json = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any text of yours, new for each wish. The same request with the same key is"
    " carried out once within 24 hours; its repeats are answered like the first, with"
    " `Idempotent-Replayed: true`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
_DESCRIPTION: Final = """\
Payments, subscriptions and access of the clients of this gateway.

Get a token at `POST /oauth/token` and send it as `Authorization: Bearer …`. A credential's role
decides whose things it sees: an admin's all, an app's those of its own clients, a client's its own.

Amounts are integers of the currency's smallest unit; instants are RFC 3339 in UTC. Every error is
`application/problem+json`, and its `type` a page that tells what to do. Lists have at most `limit`
items, and `next` leads on. A field or parameter that is not known is refused, never passed over.
"""
_TAGS: Final = {
    "payments": "Money that clients pay, and get back.",
    "subscriptions": "What is paid for again and again.",
    "clients": "Who pays.",
    "plans": "What is for sale.",
    "entitlements": "What clients may use.",
    "grants": "Access that was given by hand.",
    "blocks": "Bars over access.",
    "events": "What the payment providers told.",
    "audit": "Every change of money or access.",
    "metrics": "Numbers for Prometheus.",
    "tokens": "Who may call.",
    "webhooks": "Where providers call.",
    "document": "This document.",
}


@dataclass(frozen=True, slots=True)
class Site:
    """What the document says of where it is served; `public_url` has no slash at its end."""

    public_url: str
    version: str


def problems_of(operation: Operation) -> Iterable[ApiProblem]:
    """Return everything that can go wrong with a call, in the order in which it is looked for."""
    yield problems.NOT_ACCEPTABLE
    yield problems.TOKEN_NEEDED
    yield problems.TOKEN_REFUSED
    if operation.body is not None:
        yield problems.BODY_TOO_LARGE
        yield problems.UNKNOWN_FORM
    yield problems.UNREADABLE
    yield problems.INVALID
    yield problems.IMPOSSIBLE
    if operation.action is not None:
        yield problems.NOT_PERMITTED
        yield problems.NO_SUCH_THING
    if operation.is_keyed:
        yield problems.REQUEST_UNDER_WAY
        yield problems.KEY_REUSED
    yield from operation.problems
    yield problems.TRY_AGAIN


def document_of(site: Site) -> Json:
    """Return the document."""
    schemas = _schemas()
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        made = _operation(operation, site.public_url)
        paths.setdefault(operation.path, {})[operation.method.lower()] = made
    for path, methods in BESIDE.items():
        paths.setdefault(path, {}).update(methods)
    oauth = {
        "tokenUrl": f"{site.public_url}/oauth/token",
        "scopes": {scope: _meaning_of(scope) for scope in sorted(SCOPES)},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tollway", "version": site.version, "description": _DESCRIPTION},
        "servers": [{"url": site.public_url}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "oauth2": {"type": "oauth2", "flows": {"clientCredentials": oauth}},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _schemas() -> Json:
    wanted: dict[type[BaseModel], JsonSchemaMode] = {ProblemDocument: "serialization"}
    for operation in OPERATIONS:
        if operation.body is not None:
            wanted[operation.body] = "validation"
        if operation.answer is not None:
            wanted[operation.answer] = "serialization"
    _, made = models_json_schema(list(wanted.items()), ref_template=_REF)
    schemas: Json = made["$defs"]
    return schemas


def _operation(operation: Operation, public_url: str) -> Json:
    made: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": _security(operation.action),
        "responses": _responses(operation, public_url),
    }
    if operation.description:
        made["description"] = operation.description
    if parameters := list(_parameters(operation)):
        made["parameters"] = parameters
    if operation.body is not None:
        content: Json = {"schema": _ref(operation.body)}
        if operation.request_example is not None:
            content["example"] = operation.request_example
        made["requestBody"] = {"required": True, "content": {"application/json": content}}
    return made


def _parameters(operation: Operation) -> Iterable[Json]:
    for name in operation.parameters:
        value = PATH_VALUES[name]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": value.description,
            "schema": value.schema,
        }
    if operation.query is not None:
        schema = operation.query.model_json_schema()
        for name, field in schema.get("properties", {}).items():
            # Left out is how a query says null.
            kept = {key: field[key] for key in field if key not in {"title", "description"}}
            if "anyOf" in kept:
                kept = next(choice for choice in kept["anyOf"] if choice.get("type") != "null")
            parameter = {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "schema": kept,
            }
            if "description" in field:
                parameter["description"] = field["description"]
            yield parameter
    if operation.is_keyed:
        yield _KEY


def _responses(operation: Operation, public_url: str) -> Json:
    good: Json = {"description": operation.summary}
    if operation.answer is not None:
        content: Json = {"schema": _ref(operation.answer)}
        if operation.answer_example is not None:
            content["example"] = operation.answer_example
        good["content"] = {"application/json": content}
    if operation.status == 201:
        good["headers"] = {
            "Location": {"description": "The new thing.", "schema": {"type": "string"}}
        }
    by_status: dict[int, list[ApiProblem]] = {}
    for problem in dict.fromkeys(problems_of(operation)):
        by_status.setdefault(problem.status, []).append(problem)
    told = {
        str(status): _problem_response(named, public_url)
        for status, named in sorted(by_status.items())
    }
    return {str(operation.status): good, **told}


def _problem_response(named: Sequence[ApiProblem], public_url: str) -> Json:
    examples = {
        problem.name: {
            "value": {
                "type": f"{public_url}/problems/{problem.name}",
                "title": problem.title,
                "status": problem.status,
                "request_id": "9f2c4b7de01a4b6c8d5e",
            }
        }
        for problem in named
    }
    content = {"schema": _ref(ProblemDocument), "examples": examples}
    return {
        "description": "; ".join(f"`{problem.name}`: {problem.title}" for problem in named),
        "content": {"application/problem+json": content},
    }


def _security(action: str | None) -> list[Json]:
    return [{"oauth2": [scope_of(action)] if action else []}, {"bearer": []}]


def _meaning_of(scope: str) -> str:
    resource, _, access = scope.partition(":")
    return f"{'look at' if access == 'read' else 'change'} {resource}"


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}
