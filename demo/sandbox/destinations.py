"""What a delivery needs of its endpoint: whether it wants the event, its payload, its secrets.

The endpoints themselves are made and changed in `endpoints`.
"""

import secrets
from collections.abc import Iterable

from demo.sandbox.shapes import JSONObject
from demo.sandbox.store import Store

# What of an endpoint its object does not show: its secrets and which payload it gets.
_HIDDEN = "sandbox.endpoint"


def keep_secret(store: Store, endpoint_id: str, secret: str) -> None:
    """Let the endpoint have this secret and no other."""
    entries = [{"secret": secret, "until_s": None}]
    _save_hidden(store, endpoint_id, payload_of(store, endpoint_id), entries)


def roll_secret(store: Store, endpoint_id: str, overlap_s: float, wall_s: float) -> str:
    """Give the endpoint a new secret; the old one signs beside it for `overlap_s`."""
    secret = new_secret()
    old = [
        entry | {"until_s": min(entry["until_s"] or wall_s + overlap_s, wall_s + overlap_s)}
        for entry in _hidden(store, endpoint_id)["secrets"]
        if _is_valid(entry, wall_s)
    ]
    entries = [{"secret": secret, "until_s": None}, *old]
    _save_hidden(store, endpoint_id, payload_of(store, endpoint_id), entries)
    return secret


def set_payload(store: Store, endpoint_id: str, payload: str) -> None:
    """Send the endpoint `snapshot` events, `thin` ones, or `both`."""
    _save_hidden(store, endpoint_id, payload, _hidden(store, endpoint_id)["secrets"])


def payload_of(store: Store, endpoint_id: str) -> str:
    """Return which events the endpoint is sent: `snapshot`, `thin`, or `both`."""
    return str(_hidden(store, endpoint_id)["payload"])


def valid_secrets(store: Store, endpoint_id: str, wall_s: float) -> list[str]:
    """Return what a delivery to the endpoint is signed with now, the newest secret first."""
    entries: Iterable[JSONObject] = _hidden(store, endpoint_id)["secrets"]
    return [entry["secret"] for entry in entries if _is_valid(entry, wall_s)]


def endpoints_for(store: Store, event_type: str) -> list[JSONObject]:
    """Return the endpoints that an event of this type goes to, the oldest first."""
    return [
        endpoint
        for endpoint in store.oldest("webhook_endpoint")
        if endpoint["status"] == "enabled"
        and not {"*", event_type}.isdisjoint(endpoint["enabled_events"])
    ]


def new_secret() -> str:
    """Return a new signing secret in Stripe's form."""
    return f"whsec_{secrets.token_hex(24)}"


def forget(store: Store, endpoint_id: str) -> None:
    """Forget the secrets and the payload of an endpoint that is deleted."""
    store.delete(_hidden_id(endpoint_id))


def _hidden_id(endpoint_id: str) -> str:
    return f"hidden_of_{endpoint_id}"


def _hidden(store: Store, endpoint_id: str) -> JSONObject:
    found = store.find(_HIDDEN, _hidden_id(endpoint_id))
    return found or {"payload": "snapshot", "secrets": []}


def _save_hidden(store: Store, endpoint_id: str, payload: str, entries: list[JSONObject]) -> None:
    hidden = {"id": _hidden_id(endpoint_id), "object": _HIDDEN}
    store.save(hidden | {"payload": payload, "secrets": entries}, owner=endpoint_id)


def _is_valid(entry: JSONObject, wall_s: float) -> bool:
    return entry["until_s"] is None or entry["until_s"] > wall_s
