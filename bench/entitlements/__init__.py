"""What asking for a client's entitlement costs, and how soon a change is known everywhere.

run        one run of all sections
shop       what runs: Postgres, Valkey, and a configuration that leads to them
spread     from a commit until each of four workers acts on it
reads      how often Postgres was asked

What each rung costs, a process of its own tells (`bench/programs/ladder.py`, `remembered.py`).
"""
