"""Ids of requests and decisions."""

import random


def new_id() -> str:
    """Return an id for logs and support: unlikely to come twice, and no secret."""
    return f"{random.getrandbits(64):016x}"
