"""Ids of requests and decisions."""

from random import getrandbits


def new_id() -> str:
    """Return an id for logs and support: unlikely to come twice, and no secret."""
    return f"{getrandbits(64):016x}"
