"""The cache ladder of snapshots: memory, then Valkey, then Postgres (`reader`).

`invalidation` listens for what changed; `codec` is the form in which a snapshot is
kept outside the process.
"""
