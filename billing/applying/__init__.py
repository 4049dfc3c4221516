"""How the provider's current objects become rows, one object at a time.

observer       lock, number, fetch, compare and set, derive, tell: the same for every object
look           what the observer needs of each kind of object
subscription   reads a subscription with its items
payment        reads a payment: an invoice's, or an order's
checkout       reads a hosted checkout of ours
customer       reads whether a customer still is one
"""
