"""The cache ladder of snapshots: memory, then Valkey, then Postgres (docs/entitlements.md).

reader          climbs it; one flight a client
memory          the first rung
packed          how most clients are kept there
shared          what the second rung has to do, and who stands in where there is none
redis_store     the second rung on Valkey or Redis
signing         makes what stands there ours
trust           from where on what the second rung holds is fresh
owed            changes that it has still to be told of
rest            leaves a store that fails alone
errands         what is done beside a request, and nobody waits for
codec           a snapshot's form outside the process
invalidation    hears of changes from Postgres, and catches up after gaps
redis_notices   hears of them through Redis, too
refreshing      has the provider asked before somebody is refused because time passed
"""
