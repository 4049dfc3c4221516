"""`/_sandbox`: what tests turn that Stripe has no API for; JSON, with the API key."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from demo.sandbox.delivery import Courier
from demo.sandbox.destinations import payload_of, roll_secret, set_payload
from demo.sandbox.errors import APIError
from demo.sandbox.faults import Faults
from demo.sandbox.keys import check_key
from demo.sandbox.knobs import parse_knobs
from demo.sandbox.ledger import Ledger
from demo.sandbox.portal import set_pauses
from demo.sandbox.shapes import JSONObject
from demo.sandbox.upcoming import announce_upcoming

# Stripe lets an old secret sign for up to a day ("Roll endpoint secrets").
_OVERLAP_LIMIT_S = 86_400.0

_Act = Callable[[web.Request], Awaitable[JSONObject]]


class Control:
    """The knobs of delivery, what is held, endpoints' secrets and payloads, and faults."""

    def __init__(self, ledger: Ledger, courier: Courier, faults: Faults, api_key: str) -> None:
        self._ledger = ledger
        self._courier = courier
        self._faults = faults
        self._api_key = api_key

    def routes(self) -> list[web.RouteDef]:
        """Return a route for each."""
        return [
            web.get("/_sandbox/delivery", self._guard(self.show_knobs)),
            web.post("/_sandbox/delivery", self._guard(self.set_knobs)),
            web.get("/_sandbox/deliveries/{event_id}", self._guard(self.show_deliveries)),
            web.post("/_sandbox/deliveries/release", self._guard(self.release)),
            web.post("/_sandbox/webhook_endpoints/{id}", self._guard(self.change_endpoint)),
            web.post("/_sandbox/portal", self._guard(self.set_portal)),
            web.post("/_sandbox/subscriptions/{id}/upcoming", self._guard(self.tell_upcoming)),
            web.get("/_sandbox/faults", self._guard(self.show_faults)),
            web.post("/_sandbox/faults", self._guard(self.add_fault)),
            web.delete("/_sandbox/faults", self._guard(self.clear_faults)),
        ]

    async def show_knobs(self, _request: web.Request) -> JSONObject:
        """Tell how events travel now, and how many deliveries stand how."""
        outbox = self._ledger.outbox
        knobs: JSONObject = json.loads(outbox.knobs.model_dump_json())
        return {"knobs": knobs, "deliveries": outbox.deliveries.counts()}

    async def set_knobs(self, request: web.Request) -> JSONObject:
        """Set all knobs, those left out to what is usual."""
        knobs = parse_knobs(await request.read())
        self._ledger.outbox.set_knobs(knobs)
        return await self.show_knobs(request)

    async def show_deliveries(self, request: web.Request) -> JSONObject:
        """Tell how the deliveries of one event stand."""
        found = self._ledger.outbox.deliveries.of_event(request.match_info["event_id"])
        fields = ("endpoint_id", "state", "attempts", "trouble")
        return {"data": [{name: getattr(d, name) for name in fields} for d in found]}

    async def release(self, request: web.Request) -> JSONObject:
        """Let held events go: those of `events` in that order, or all in order of `order`."""
        asked = _object(await request.read())
        held = self._ledger.outbox.deliveries.held()
        order = asked.get("order", "created")
        if order not in {"created", "reversed"}:
            raise ValueError("order has to be created or reversed")
        event_ids = asked.get("events", held if order == "created" else held[::-1])
        if not (isinstance(event_ids, list) and set(map(str, event_ids)) <= set(held)):
            raise ValueError("events has to be a list of ids of held events")
        count = self._ledger.outbox.release([str(event_id) for event_id in event_ids])
        self._courier.wake()
        return {"released": count, "held": self._ledger.outbox.deliveries.held()}

    async def change_endpoint(self, request: web.Request) -> JSONObject:
        """Set an endpoint's `payload`; roll its secret, the old one good for `overlap_s` more."""
        asked = _object(await request.read())
        endpoint_id = self._ledger.get("webhook_endpoint", request.match_info["id"])["id"]
        store = self._ledger.store
        if "payload" in asked:
            if asked["payload"] not in {"snapshot", "thin", "both"}:
                raise ValueError("payload has to be snapshot, thin or both")
            set_payload(store, endpoint_id, asked["payload"])
        answer = {"id": endpoint_id, "payload": payload_of(store, endpoint_id)}
        if "overlap_s" in asked:
            overlap_s = asked["overlap_s"]
            is_number = isinstance(overlap_s, int | float) and not isinstance(overlap_s, bool)
            if not (is_number and 0 <= overlap_s <= _OVERLAP_LIMIT_S):
                raise ValueError(f"overlap_s has to be a number from 0 to {_OVERLAP_LIMIT_S:.0f}")
            wall_s = self._ledger.clock.wall_now_s()
            answer["secret"] = roll_secret(store, endpoint_id, overlap_s, wall_s)
        return answer

    async def set_portal(self, request: web.Request) -> JSONObject:
        """Say whether customers may `pause` on the portal's page."""
        wanted = _object(await request.read()).get("pause")
        if not isinstance(wanted, bool):
            raise ValueError("pause has to be true or false")  # noqa: TRY004 - told to the caller
        set_pauses(self._ledger.store, is_on=wanted)
        return {"pause": wanted}

    async def tell_upcoming(self, request: web.Request) -> JSONObject:
        """Announce the subscription's next invoice, which has no id yet."""
        subscription = self._ledger.get("subscription", request.match_info["id"])
        with self._ledger.store.transaction():
            event_id = announce_upcoming(self._ledger, subscription, self._ledger.clock.now_s())
        self._courier.wake()
        return {"event": event_id}

    async def show_faults(self, _request: web.Request) -> JSONObject:
        """Tell which faults are still to come."""
        return {"faults": [fault.model_dump() for fault in self._faults.coming()]}

    async def add_fault(self, request: web.Request) -> JSONObject:
        """Let a fault befall the next calls of the API."""
        self._faults.add(await request.read())
        return await self.show_faults(request)

    async def clear_faults(self, request: web.Request) -> JSONObject:
        """Let no fault befall anybody any more."""
        self._faults.clear()
        return await self.show_faults(request)

    def _guard(self, act: _Act) -> Handler:
        """Check the key and tell what is wrong in JSON."""

        async def handle(request: web.Request) -> web.Response:
            try:
                check_key(request.headers.get("Authorization", ""), self._api_key)
                return web.json_response(await act(request))
            except APIError as error:
                return web.json_response(error.to_body(), status=error.status)
            except ValueError as error:
                return web.json_response(APIError(str(error)).to_body(), status=400)

        return handle


def _object(text: bytes) -> dict[str, Any]:  # Any: JSON
    try:
        found = json.loads(text or b"{}")
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("a JSON object is needed")  # noqa: TRY004 - told to the caller as one
    return found
