"""The rows of API operations for events, webhook endpoints and the portal."""

from demo.sandbox.endpoints import create_endpoint, delete_endpoint, update_endpoint
from demo.sandbox.events import get_event, get_thin_event, list_events
from demo.sandbox.listing import PAGE
from demo.sandbox.operations.call import Call, Operation, list_of, retrieve
from demo.sandbox.params import Spec, boolean, group, metadata, strings, text
from demo.sandbox.portal import create_portal_session
from demo.sandbox.shapes import JSONObject


def _create_endpoint(call: Call) -> JSONObject:
    return create_endpoint(call.ledger, call.params, call.at_s)


def _update_endpoint(call: Call) -> JSONObject:
    endpoint = call.ledger.get("webhook_endpoint", call.object_id)
    return update_endpoint(call.ledger, endpoint, call.params)


def _delete_endpoint(call: Call) -> JSONObject:
    return delete_endpoint(call.ledger, call.ledger.get("webhook_endpoint", call.object_id))


def _get_event(call: Call) -> JSONObject:
    return get_event(call.ledger, call.object_id, call.at_s)


def _get_thin_event(call: Call) -> JSONObject:
    return get_thin_event(call.ledger, call.object_id, call.at_s)


def _list_events(call: Call) -> JSONObject:
    return list_events(call.ledger, call.path, call.params, call.at_s)


def _open_portal(call: Call) -> JSONObject:
    return create_portal_session(
        call.ledger, call.params, public_url=call.public_url, at_s=call.at_s
    )


_ENDPOINT: Spec = {
    "url": text,
    "enabled_events": strings,
    "description": text,
    "metadata": metadata,
}
_EVENTS: Spec = {**PAGE, "type": text, "types": strings, "delivery_success": boolean}

_ONE_SUBSCRIPTION = group({"subscription": text})
_PORTAL: Spec = {
    "customer": text,
    "return_url": text,
    "locale": text,
    "flow_data": group(
        {
            "type": text,
            "subscription_cancel": _ONE_SUBSCRIPTION,
            "subscription_update": _ONE_SUBSCRIPTION,
            "after_completion": group({"type": text, "redirect": group({"return_url": text})}),
        }
    ),
}

EDGE_OPERATIONS = (
    Operation(
        "POST", "/v1/webhook_endpoints", _create_endpoint, {**_ENDPOINT, "api_version": text}
    ),
    Operation("GET", "/v1/webhook_endpoints", list_of("webhook_endpoint"), PAGE),
    Operation("GET", "/v1/webhook_endpoints/{id}", retrieve("webhook_endpoint")),
    Operation(
        "POST", "/v1/webhook_endpoints/{id}", _update_endpoint, {**_ENDPOINT, "disabled": boolean}
    ),
    Operation("DELETE", "/v1/webhook_endpoints/{id}", _delete_endpoint),
    Operation("POST", "/v1/billing_portal/sessions", _open_portal, _PORTAL),
    Operation("GET", "/v1/events", _list_events, _EVENTS),
    Operation("GET", "/v1/events/{id}", _get_event),
    Operation("GET", "/v2/core/events/{id}", _get_thin_event),
)
