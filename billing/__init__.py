"""What is paid: from a provider's word to the grants that open doors.

What comes in: signed events (`webhooks`), the return from a hosted checkout (`selling`),
the wishes of operators, apps and clients (`api`, whose callers `oauth` knows). Each names
an object to read again (`apply`, `applying`, `providers`), which becomes rows (`facts`,
`transitions`, `storage`); `reconcile` does so without an event. What decides: `derive` and
what it is made of, pure functions over all facts of a client. What goes out: one
transaction of facts, grants and `audit`, and a notice to every cache (`entitlements`).

model             the words: plans, causes, what a client sees
facts             what a provider says of one object
transitions       whether a look at an object is newer than what we know
client_facts      what our tables say of one client
derive            all grants that facts give
item_money        what payments say of a subscription's items
entitled_until    until when an item opens doors
grant_changes     what is to be written so that the table says what was derived
apply             reads one object again, and applies it: the path of every fact
result            what came of that
catalog           what is for sale, and what was ever sold
views             what callers are told
crypto            seals personal data
metrics           what is counted
errors            what can go wrong, by what the caller can do
ports             what is needed: a provider, a clock, a sealer

Top files are used by the sub-folders, never the other way but through `ports` and by
`apply`, which puts `applying` to use; these meet only in `storage`.
"""
