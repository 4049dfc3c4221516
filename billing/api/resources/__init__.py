"""What carries the table's operations out, a file for each kind of thing.

Each gives its `bindings`, by the operations' ids: first whom a call is about, so that it can
be permitted or not, and then what comes of it.

aims            whom most calls are about
payments        payments and refunds
subscriptions   subscriptions, begun, changed and ended
clients         clients and the portal
plans           what is for sale
entitlements    what a client may use
grants          grants and blocks by hand
operators       events and the audit log
"""
