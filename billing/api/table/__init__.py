"""The API's table, a file for each group of calls; `operations` joins them.

money           payments, refunds and subscriptions
clients         clients and the portal
access          plans, entitlements, grants and blocks
operators       events and the audit log
examples        what the document shows
"""
