"""The events that are sent: each twice, in no order, and readable by the product."""

import json
from pathlib import Path

from bench.webhooks.events import write_events
from billing.facts import ObjectKind, ObjectRef
from billing.providers.stripe.events import to_event

SUBSCRIPTIONS = [{"id": f"sub_{number}", "object": "subscription"} for number in range(3)]


def test_every_event_is_sent_twice_and_not_in_order(tmp_path: Path) -> None:
    sent = write_events(tmp_path / "events", SUBSCRIPTIONS, 200, 1_800_000_000, "2026-10-28.endive")

    ids = [json.loads(line)["id"] for line in sent.file.read_text().splitlines()]
    assert (sent.deliveries, sent.distinct) == (200, 100)
    assert sorted(ids) == sorted([*set(ids), *set(ids)])
    assert ids != sorted(ids)


def test_the_same_events_are_sent_by_every_run(tmp_path: Path) -> None:
    one, other = (
        write_events(tmp_path / name, SUBSCRIPTIONS, 50, 1_800_000_000, "2026-10-28.endive")
        for name in ("one", "other")
    )

    assert one.file.read_text() == other.file.read_text()


def test_the_product_reads_what_an_event_is_about(tmp_path: Path) -> None:
    sent = write_events(tmp_path / "events", SUBSCRIPTIONS, 20, 1_800_000_000, "2026-10-28.endive")

    events = [to_event(json.loads(line)) for line in sent.file.read_text().splitlines()]
    assert {event.ref for event in events} == {
        ObjectRef(ObjectKind.SUBSCRIPTION, f"sub_{number}") for number in range(3)
    }
