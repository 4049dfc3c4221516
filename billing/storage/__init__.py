"""Postgres: all SQL of billing, one file a table group.

pool                 the door: a bounded pool, time-outs of ours, errors translated once
migrate              numbered SQL files (`migrations`), each applied once
ids                  ids of ours that came from outside
arrivals             new rows of the inbox
inbox_claims         what a worker takes of it
events               the inbox as operators see it
facts                all facts of one client, as its grants are derived from them
subscriptions        subscriptions and their items
payments             money that providers took, and took back
orders               plans that were bought once
checkouts            open checkouts, and where they return to
receipts             checkouts and payments as one list
commands             what providers are asked, before it is carried out
holdings             what a client pays for or bought for ever, as its owner sees it
plans                plans, their features and prices
grants               grants, the version of a client's facts, and the notice of a change
changes              whose facts changed since a mark, for who missed the notices
manual_grants        grants by hand
blocks               bars over grants
refresh_notices      between who refuses because time passed, and who can ask the provider
clients              clients, and the customers under which providers know them
client_records       who clients are, and how one comes
client_endings       how one is closed and erased
client_overview      all that there is about one
sessions             sessions, and the tickets that carry them to an app's host
callers              what the rights of a caller of the API rest on
credentials          credentials of programs, and hashes of their secrets
signing_keys         keys that sign tokens
idempotent_requests  requests with a key of their caller's, and their answers
sealed_columns       every sealed column, and how its rows get a newer key
due                  what the reconciler reads next
cursors              who reconciles, and how far a list of events was read
retention            what is deleted once it has had its time
drift                differences that no event had told of
audit                one row for every change of money or access
"""
