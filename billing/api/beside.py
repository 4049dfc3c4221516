"""What the document says of the calls that the API's table does not make: tokens and webhooks.

Their own modules carry them out (`billing/oauth/endpoint.py`, `billing/webhooks/endpoint.py`);
they are described by hand, since they speak in the forms of others' standards.
"""

from typing import Any, Final

# What JSON can say.
Json = dict[str, Any]


def _json(description: str, properties: Json, required: list[str]) -> Json:
    schema = {"type": "object", "properties": properties, "required": required}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _error(description: str) -> Json:
    told = {"error": {"type": "string"}, "error_description": {"type": "string"}}
    return _json(description, told, ["error"])


_TOKEN: Final[Json] = {
    "operationId": "give_token",
    "tags": ["tokens"],
    "summary": "Get a token",
    "description": "OAuth 2 client credentials (RFC 6749, section 4.4). The credential's id and"
    " secret come with HTTP Basic, or in the body; not both.",
    "security": [],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "grant_type": {"const": "client_credentials"},
                        "scope": {
                            "type": "string",
                            "description": "A part of what it may: a list with one blank"
                            " between two.",
                            "pattern": "^[!#-\\[\\]-~]+( [!#-\\[\\]-~]+)*$",
                        },
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string", "format": "password"},
                    },
                    "required": ["grant_type"],
                }
            }
        },
    },
    "responses": {
        "200": _json(
            "A token",
            {
                "access_token": {"type": "string"},
                "token_type": {"const": "Bearer"},
                "expires_in": {"type": "integer", "description": "Seconds."},
                "scope": {"type": "string"},
            },
            ["access_token", "token_type", "expires_in", "scope"],
        ),
        "400": _error("The request is not what the standard says"),
        "401": _error("The credential is not known, or its secret is wrong"),
        "413": _error("The body is too large"),
        "429": _error("Too many tries; `Retry-After` says when to go on"),
        "503": _error("Not just now; send it again"),
    },
}
_METADATA: Final[Json] = {
    "operationId": "get_token_metadata",
    "tags": ["tokens"],
    "summary": "Where and how tokens are given",
    "description": "RFC 8414.",
    "security": [],
    "responses": {"200": _json("The metadata", {"issuer": {"type": "string"}}, ["issuer"])},
}
_KEYS: Final[Json] = {
    "operationId": "get_keys",
    "tags": ["tokens"],
    "summary": "The keys that verify our tokens",
    "description": "A JWK set (RFC 7517).",
    "security": [],
    "responses": {
        "200": {
            "description": "The keys",
            "content": {
                "application/jwk-set+json": {
                    "schema": {
                        "type": "object",
                        "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
                        "required": ["keys"],
                    }
                }
            },
        },
        "503": _error("Not just now; send it again"),
    },
}


def _webhook(operation_id: str, summary: str) -> Json:
    return {
        "operationId": operation_id,
        "tags": ["webhooks"],
        "summary": summary,
        "description": "The body is an event as its provider signs it, and counts as a hint only:"
        " what it is about is read anew. The same event again is answered like the first.",
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        "responses": {
            "200": _json("It is kept", {"received": {"const": True}}, ["received"]),
            "400": _error("It is not authentic, or no event"),
            "404": _error("There is no such provider"),
            "413": _error("It is too large"),
            "503": _error("Not just now; send it again"),
        },
    }


def _problem(description: str) -> Json:
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
    }


_OWN: Final[Json] = {
    "operationId": "get_document",
    "tags": ["document"],
    "summary": "This document",
    "description": "For any good token. `GET /docs` shows it.",
    "security": [{"oauth2": []}, {"bearer": []}],
    "responses": {
        "200": {
            "description": "The document",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        "401": _problem("A token is needed"),
        "503": _problem("Not just now"),
    },
}
_METRICS: Final[Json] = {
    "operationId": "get_metrics",
    "tags": ["metrics"],
    "summary": "Show the numbers of the control process",
    "description": "In the text format of Prometheus.",
    "security": [{"oauth2": ["metrics:read"]}, {"bearer": []}],
    "responses": {
        "200": {
            "description": "The numbers",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        "401": _problem("A token is needed"),
        "403": _problem("Not with this token"),
        "503": _problem("Not just now"),
    },
}
_PROVIDER: Final[Json] = {
    "name": "provider",
    "in": "path",
    "required": True,
    "description": "The provider's short name, such as `stripe`.",
    "schema": {"type": "string", "pattern": "^[a-z]+$"},
}

BESIDE: Final[dict[str, Json]] = {
    "/oauth/token": {"post": _TOKEN},
    "/.well-known/oauth-authorization-server": {"get": _METADATA},
    "/.well-known/jwks.json": {"get": _KEYS},
    "/webhook": {"post": _webhook("receive_event", "Take an event of the default provider")},
    "/webhook/{provider}": {
        "parameters": [_PROVIDER],
        "post": _webhook("receive_event_of", "Take an event of a provider"),
    },
    "/openapi.json": {"get": _OWN},
    "/metrics": {"get": _METRICS},
}
"""By path, then by method."""
