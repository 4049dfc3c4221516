"""From an event to its deliveries: for whom, in which shape, and what befalls them on the way."""

import json

from demo.sandbox.clock import VirtualClock
from demo.sandbox.deliveries import Deliveries
from demo.sandbox.destinations import endpoints_for, payload_of
from demo.sandbox.knobs import Knobs, draw_fate, parse_knobs
from demo.sandbox.shapes import JSONObject
from demo.sandbox.store import Store
from demo.sandbox.thin import make_thin, to_notification
from demo.sandbox.versions import OLD_VERSION, Links, is_old, render_event

_SETTING = "delivery_knobs"


class Outbox:
    """Queues the deliveries of events. The knobs are kept; the count of draws starts anew."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self.deliveries = Deliveries(store)
        self.knobs = parse_knobs(store.find_setting(_SETTING) or "")
        self._store = store
        self._clock = clock
        self._drawn = 0
        self._burst_at_s = 0

    def set_knobs(self, knobs: Knobs) -> None:
        """Let events travel so from now on; the same seed brings the same luck again."""
        self._store.save_setting(_SETTING, knobs.model_dump_json())
        self.knobs = knobs
        self._drawn = self._burst_at_s = 0

    def date(self, at_s: int) -> int:
        """Return the `created` of an event of `at_s`: its burst's, if the knob is turned."""
        if not 0 <= at_s - self._burst_at_s < self.knobs.same_second_s:
            self._burst_at_s = at_s
        return self._burst_at_s

    def send(self, event: JSONObject) -> None:
        """Save the event and queue a delivery for each endpoint that wants it."""
        endpoints = endpoints_for(self._store, event["type"])
        event["pending_webhooks"] = len(endpoints)
        self._store.save(event, owner=event["data"]["object"].get("id"))
        for endpoint in endpoints:
            for body in self._bodies(event, endpoint):
                self._queue(event["id"], endpoint["id"], json.dumps(body, separators=(",", ":")))

    def release(self, event_ids: list[str]) -> int:
        """Let held deliveries of these events go, in this order; return how many."""
        with self._store.transaction():
            return self.deliveries.release(event_ids, self._clock.wall_now_s())

    def _bodies(self, event: JSONObject, endpoint: JSONObject) -> list[JSONObject]:
        version = OLD_VERSION if self.knobs.old_shape else endpoint["api_version"]
        payload = self.knobs.payload or payload_of(self._store, endpoint["id"])
        bodies = []
        if payload != "thin":
            links = self._links(event["data"]["object"]) if is_old(version) else Links()
            bodies.append(render_event(event, version, links))
        if payload != "snapshot":
            bodies.append(to_notification(self._thin_twin(event)))
        return bodies

    def _thin_twin(self, event: JSONObject) -> JSONObject:
        """Return the event's thin twin: one for all endpoints, as it is one event."""
        found = next(self._store.newest("v2.core.event", owner=event["id"]), None)
        if found is not None:
            return found
        thin = make_thin(event)
        self._store.save(thin, owner=event["id"])
        return thin

    def _queue(self, event_id: str, endpoint_id: str, body: str) -> None:
        fate = draw_fate(self.knobs, self._drawn)
        self._drawn += 1
        for delay_s, places in fate.copies:
            self.deliveries.add(
                event_id,
                endpoint_id,
                body.encode(),
                state="dropped" if fate.is_dropped else "held" if self.knobs.hold else "pending",
                now_s=self._clock.wall_now_s(),
                delay_s=delay_s,
                places=places,
            )

    def _links(self, subject: JSONObject) -> Links:
        """Collect what the old shape of the subject shows of other objects."""
        kind, id_ = subject["object"], subject.get("id", "")
        lines = subject["lines"]["data"] if kind == "invoice" else []
        where = {
            "invoice": {"invoice": id_},
            "payment_intent": {"payment_intent": id_},
            "charge": {"payment_intent": subject.get("payment_intent") or ""},
        }.get(kind)
        payments = [] if where is None else self._store.oldest("invoice_payment", where=where)
        pairs = [(p["invoice"], p["payment"]["payment_intent"]) for p in payments]
        intents = [self._store.find("payment_intent", intent) for _, intent in pairs]
        prices = [line["pricing"]["price_details"]["price"] for line in lines]
        return Links(
            intent_of_invoice=dict(pairs),
            invoice_of_intent={intent: invoice for invoice, intent in pairs},
            charge_of_intent={i["id"]: i["latest_charge"] for i in intents if i is not None},
            prices={id_: price for id_ in prices if (price := self._store.find("price", id_))},
        )
