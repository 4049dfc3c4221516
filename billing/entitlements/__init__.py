"""The cache ladder of snapshots: memory, then Valkey, then Postgres.

`reader` goes down the ladder, over `memory` and `redis_store`.

`refreshing` has the provider asked before somebody is refused because time passed.
`invalidation` listens for what changed; `codec` is the form in which a snapshot is
kept outside the process.
"""
