"""Webhook endpoints: made, changed and deleted by the API, and the one of the command line."""

import re

from demo.sandbox.customers import merge_metadata
from demo.sandbox.destinations import forget, keep_secret, new_secret
from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.links import page_url
from demo.sandbox.shapes import API_VERSION, JSONObject

OWN_ENDPOINT = "we_commandline"
"""The endpoint that the sandbox is started with."""

# As many as Stripe allows ("Register your event destinations").
_ENDPOINT_LIMIT = 16

_VERSION = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9](\.[a-z]+)?")


def create_endpoint(ledger: Ledger, params: JSONObject, at_s: int) -> JSONObject:
    """Create an endpoint; only this answer shows its secret.

    Raises:
        APIError: a parameter is missing or wrong, or there are as many endpoints as may be.
    """
    if ledger.store.count("webhook_endpoint") >= _ENDPOINT_LIMIT:
        raise APIError(f"You have reached the maximum of {_ENDPOINT_LIMIT} webhook endpoints.")
    for name in ("url", "enabled_events"):
        if not params.get(name):
            raise APIError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    endpoint = ledger.build(
        "webhook_endpoint",
        at_s,
        url=page_url(params["url"], "url"),
        enabled_events=params["enabled_events"],
        api_version=_checked_version(params.get("api_version") or None),
        description=params.get("description"),
        metadata=params.get("metadata", {}),
        status="enabled",
    )
    secret = new_secret()
    ledger.save(endpoint)
    keep_secret(ledger.store, endpoint["id"], secret)
    return endpoint | {"secret": secret}


def update_endpoint(ledger: Ledger, endpoint: JSONObject, params: JSONObject) -> JSONObject:
    """Change where events go and which; a disabled endpoint gets nothing, not even later."""
    fields: JSONObject = {
        name: params[name] for name in ("enabled_events", "description") if name in params
    }
    if "url" in params:
        fields["url"] = page_url(params["url"], "url")
    if "metadata" in params:
        fields["metadata"] = merge_metadata(endpoint["metadata"], params["metadata"])
    if "disabled" in params:
        fields["status"] = "disabled" if params["disabled"] else "enabled"
    ledger.change(endpoint, **fields)
    ledger.save(endpoint)
    if endpoint["status"] == "disabled":
        ledger.outbox.deliveries.give_up(endpoint["id"], "the endpoint is disabled")
    return endpoint


def delete_endpoint(ledger: Ledger, endpoint: JSONObject) -> JSONObject:
    """Delete the endpoint; what it had still to get is given up."""
    ledger.store.delete(endpoint["id"])
    forget(ledger.store, endpoint["id"])
    ledger.outbox.deliveries.give_up(endpoint["id"], "the endpoint is deleted")
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def keep_own_endpoint(ledger: Ledger, url: str, secret: str, at_s: int) -> None:
    """Make the endpoint of the command line, or bring its URL and secret up to date."""
    with ledger.store.transaction():
        found = ledger.store.find("webhook_endpoint", OWN_ENDPOINT)
        endpoint = found or ledger.build(
            "webhook_endpoint",
            at_s,
            id=OWN_ENDPOINT,
            enabled_events=["*"],
            api_version=API_VERSION,
            description="given on the command line",
            status="enabled",
        )
        ledger.save(endpoint | {"url": url})
        keep_secret(ledger.store, OWN_ENDPOINT, secret)


def _checked_version(version: str | None) -> str | None:
    if version is not None and not _VERSION.fullmatch(version):
        raise APIError(f"Invalid API version: {version}", param="api_version")
    return version
