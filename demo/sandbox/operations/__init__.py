"""The API's operations, a file for each group of resources.

table             all of them, in the order in which their paths are matched
call              what an operation is, and what a call of one carries
customers         customers and their payment methods
catalog           products and prices
checkout          checkout sessions
subscriptions     subscriptions and their items
subscription_spec the parameters of those
invoices          invoices and their payments
payments          payment intents, charges, refunds, disputes, early fraud warnings
account           the sandbox's own operations below `/_sandbox` on objects

Those for events, webhook endpoints and the portal stand in `edge_operations`.
"""
