"""Lists, newest first, with Stripe's cursors and filters."""

from collections.abc import Callable, Iterator
from itertools import islice

from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.params import Spec, choice, created, integer, text
from demo.sandbox.shapes import JSONObject
from demo.sandbox.store import LOOKUPS

PAGE: Spec = {
    "limit": integer,
    "starting_after": text,
    "ending_before": text,
    "created": created,
}
SUBSCRIPTION_STATUS = choice(
    *("active", "all", "canceled", "ended", "incomplete", "incomplete_expired"),
    *("past_due", "paused", "trialing", "unpaid"),
)
INVOICE_STATUS = choice("draft", "open", "paid", "uncollectible", "void")
SESSION_STATUS = choice("complete", "expired", "open")

_LIMIT_DEFAULT = 10
_LIMIT_MAX = 100


def list_objects(
    ledger: Ledger,
    kind: str,
    url: str,
    params: JSONObject,
    is_listed: Callable[[JSONObject], bool] = lambda _: True,
) -> JSONObject:
    """Return one page; every parameter that is no cursor has to equal the field of its name.

    Of all that match, those are on it for which `is_listed` holds.

    Raises:
        APIError: the limit is out of range, or a cursor names nothing.
    """
    limit = params.get("limit", _LIMIT_DEFAULT)
    if not 1 <= limit <= _LIMIT_MAX:
        raise APIError(f"Invalid limit: must be 1 to {_LIMIT_MAX}", param="limit")
    for name in ("starting_after", "ending_before"):
        if name in params:
            ledger.get_named(kind, params[name], param=name)
    where = {name: params[name] for name in LOOKUPS.get(kind, {}) if name in params}
    owner = params.get("customer")
    matches = _filter_of({name: v for name, v in params.items() if name not in where})

    def is_wanted(body: JSONObject) -> bool:
        return matches(body) and is_listed(body)

    if "ending_before" in params:
        after = params["ending_before"]
        newer = ledger.store.oldest(kind, owner=owner, where=where, newer_than=after)
        data = _take(newer, is_wanted, limit)
        has_more = len(data) > limit
        data = data[:limit][::-1]
    else:
        before = params.get("starting_after")
        older = ledger.store.newest(kind, owner=owner, where=where, older_than=before)
        data = _take(older, is_wanted, limit)
        has_more = len(data) > limit
        data = data[:limit]
    return {"object": "list", "url": url, "has_more": has_more, "data": data}


def _take(
    found: Iterator[JSONObject], is_wanted: Callable[[JSONObject], bool], limit: int
) -> list[JSONObject]:
    """Return one object more than the page holds, which tells that there are more."""
    return list(islice(filter(is_wanted, found), limit + 1))


def _filter_of(params: JSONObject) -> Callable[[JSONObject], bool]:
    special = {*PAGE, "expand", "status", "lookup_keys"}
    exact = {name: value for name, value in params.items() if name not in special}
    bounds, status = params.get("created", {}), params.get("status")
    lookup_keys = params.get("lookup_keys")

    def is_wanted(body: JSONObject) -> bool:
        return (
            all(body.get(name) == value for name, value in exact.items())
            and "deleted" not in body
            and _is_within(body["created"], bounds)
            and _has_status(body, status)
            and (lookup_keys is None or body["lookup_key"] in lookup_keys)
        )

    return is_wanted


def _is_within(at_s: int, bounds: dict[str, int]) -> bool:
    return bounds.get("gt", at_s - 1) < at_s < bounds.get("lt", at_s + 1) and bounds.get(
        "gte", at_s
    ) <= at_s <= bounds.get("lte", at_s)


def _has_status(body: JSONObject, wanted: str | None) -> bool:
    status: str = body.get("status", "")
    if wanted is None:
        # Stripe leaves cancelled subscriptions out unless they are asked for.
        return body["object"] != "subscription" or status != "canceled"
    if wanted == "ended":
        return status in {"canceled", "incomplete_expired"}
    return wanted in {"all", status}
