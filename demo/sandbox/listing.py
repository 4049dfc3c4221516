"""Lists, newest first, with Stripe's cursors and filters."""

from collections.abc import Callable, Iterator
from itertools import islice

from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.params import Spec, choice, created, integer, text
from demo.sandbox.shapes import JSONObject

PAGE: Spec = {
    "limit": integer,
    "starting_after": text,
    "ending_before": text,
    "created": created,
}
STATUS = choice(
    "active", "all", "canceled", "ended", "past_due", "open", "complete", "expired", "paid", "void"
)

_LIMIT_DEFAULT = 10
_LIMIT_MAX = 100


def list_objects(ledger: Ledger, kind: str, url: str, params: JSONObject) -> JSONObject:
    """Return one page; every parameter that is no cursor has to equal the field of its name.

    Raises:
        APIError: the limit is out of range, or a cursor names nothing.
    """
    limit = params.get("limit", _LIMIT_DEFAULT)
    if not 1 <= limit <= _LIMIT_MAX:
        raise APIError(f"Invalid limit: must be 1 to {_LIMIT_MAX}", param="limit")
    for name in ("starting_after", "ending_before"):
        if name in params:
            ledger.get_named(kind, params[name], param=name)
    is_wanted = _filter_of(params)
    if "ending_before" in params:
        newer = ledger.store.oldest(kind, newer_than=params["ending_before"])
        data = _take(newer, is_wanted, limit)
        has_more = len(data) > limit
        data = data[:limit][::-1]
    else:
        older = ledger.store.newest(kind, older_than=params.get("starting_after"))
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
    special = {*PAGE, "expand", "status", "types"}
    exact = {name: value for name, value in params.items() if name not in special}
    bounds, status, types = params.get("created", {}), params.get("status"), params.get("types")

    def is_wanted(body: JSONObject) -> bool:
        return (
            all(body.get(name) == value for name, value in exact.items())
            and _is_within(body["created"], bounds)
            and _has_status(body, status)
            and (types is None or body["type"] in types)
        )

    return is_wanted


def _is_within(at_s: int, bounds: dict[str, int]) -> bool:
    return bounds.get("gt", at_s - 1) < at_s < bounds.get("lt", at_s + 1) and bounds.get(
        "gte", at_s
    ) <= at_s <= bounds.get("lte", at_s)


def _has_status(body: JSONObject, wanted: str | None) -> bool:
    status: str = body.get("status", "")
    if wanted is None:
        # Stripe leaves ended subscriptions out unless they are asked for.
        return body["object"] != "subscription" or status != "canceled"
    return wanted == "all" or status == ("canceled" if wanted == "ended" else wanted)
