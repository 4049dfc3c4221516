"""The list of events: what a receiver that missed some reads later."""

from fnmatch import fnmatchcase

from demo.sandbox.errors import APIError, missing
from demo.sandbox.ledger import Ledger
from demo.sandbox.listing import list_objects
from demo.sandbox.shapes import JSONObject

# For how long events can be had (Stripe, "Events"), by the sandbox's time.
_KEPT_FOR_S = 30 * 86_400
_TYPE_LIMIT = 20


def get_event(ledger: Ledger, event_id: str, at_s: int) -> JSONObject:
    """Return the event.

    Raises:
        APIError: there is none, or it is older than 30 days.
    """
    event = ledger.get("event", event_id)
    if not _is_kept(event, at_s):
        raise missing("event", event_id)
    return _with_pending(ledger, event)


def get_thin_event(ledger: Ledger, event_id: str, at_s: int) -> JSONObject:
    """Return the thin event, whose snapshot twin says how old it is.

    Raises:
        APIError: there is none, or it is older than 30 days.
    """
    thin = ledger.get("v2.core.event", event_id)
    if not _is_kept(ledger.get("event", thin["snapshot_event"]), at_s):
        raise missing("event", event_id)
    return thin


def list_events(ledger: Ledger, url: str, params: JSONObject, at_s: int) -> JSONObject:
    """Return a page of the events of the last 30 days.

    A type may end in `*`. `delivery_success` asks for those that every endpoint took, or
    for the others; events that no endpoint wanted count as taken.

    Raises:
        APIError: a parameter contradicts another, or a cursor names nothing.
    """
    if "type" in params and "types" in params:
        message = "You may only specify one of these parameters: type, types."
        raise APIError(message, param="types")
    own = ("type", "types", "delivery_success")
    types, wanted = _types(params), params.get("delivery_success")
    deliveries = ledger.outbox.deliveries

    def is_listed(event: JSONObject) -> bool:
        return (
            _is_kept(event, at_s)
            and any(fnmatchcase(event["type"], pattern) for pattern in types)
            and (wanted is None or wanted == (deliveries.count_unsuccessful(event["id"]) == 0))
        )

    others = {name: value for name, value in params.items() if name not in own}
    page = list_objects(ledger, "event", url, others, is_listed)
    return page | {"data": [_with_pending(ledger, event) for event in page["data"]]}


def _types(params: JSONObject) -> list[str]:
    types: list[str] = params.get("types") or [params.get("type", "*")]
    if len(types) > _TYPE_LIMIT:
        raise APIError(f"At most {_TYPE_LIMIT} types may be asked for.", param="types")
    return types


def _with_pending(ledger: Ledger, event: JSONObject) -> JSONObject:
    count = ledger.outbox.deliveries.count_unsuccessful(event["id"])
    return event | {"pending_webhooks": count}


def _is_kept(event: JSONObject, at_s: int) -> bool:
    return bool(event["created"] > at_s - _KEPT_FOR_S)
