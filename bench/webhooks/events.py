"""The events that are sent: so many for each subscription, duplicated and shuffled."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SEED = 1
_TYPES = ("customer.subscription.updated", "customer.subscription.created")


@dataclass(frozen=True, slots=True)
class Sent:
    """What a file of events holds: `deliveries` lines, of which `distinct` differ."""

    file: Path
    deliveries: int
    distinct: int


def write_events(
    file: Path, subscriptions: Sequence[dict[str, Any]], deliveries: int, at_s: int, api: str
) -> Sent:
    """Write the bodies, a line each; every event occurs twice, in an order that has none."""
    chance = random.Random(_SEED)  # noqa: S311 - an order, no secret
    distinct = deliveries // 2
    order = [*range(distinct), *range(distinct)]
    chance.shuffle(order)
    texts = [json.dumps(subscription) for subscription in subscriptions]
    with file.open("w") as lines:
        for number in order:
            lines.write(write_event(number, texts[number % len(texts)], at_s, api) + "\n")
    return Sent(file, len(order), distinct)


def write_event(number: int, subscription: str, at_s: int, api: str) -> str:
    """Return the body of an event about the subscription, which is in JSON already."""
    # The subscription's text is put in as it is: to write it 100,000 times takes a minute.
    return (
        f'{{"id":"evt_bench_{number}","object":"event","api_version":"{api}","created":{at_s},'
        f'"livemode":false,"pending_webhooks":1,"type":"{_TYPES[number % len(_TYPES)]}",'
        f'"data":{{"object":{subscription}}}}}'
    )
