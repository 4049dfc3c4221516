"""Keeps clients in memory, and prints what each of them costs there: `remembered CLIENTS`.

Each has what a plan with three apps gives, each its own instants. What is told is resident
memory, before and after: no allocator, no dictionary's spare room is left out.
"""

import gc
import json
import os
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

from bench.cpu import resident_bytes
from billing.entitlements.memory import MemoryStore
from policies.model import Grant, Snapshot

_APPS = ("notes", "wiki", "calendar")


def main() -> None:
    """Run the program."""
    clients = int(sys.argv[1])
    memory = MemoryStore(clients, 300.0, time.monotonic)
    gc.collect()
    before = resident_bytes([os.getpid()])
    now = datetime.now(UTC)
    for number in range(clients):
        from_at = now - timedelta(seconds=number)
        until_at = from_at + timedelta(days=31)
        grants = tuple(
            Grant(app, "access", True, from_at, until_at, "reader", "active") for app in _APPS
        )
        memory.put(Snapshot(str(uuid.UUID(int=number * 7919)), 1, now, grants))
    gc.collect()
    bytes_each = (resident_bytes([os.getpid()]) - before) / clients
    print(json.dumps({"bytes": bytes_each}))


if __name__ == "__main__":
    main()
