"""Stripe behind the provider port.

adapter    one account in one mode: reader and commands, joined
reader     what Stripe says: objects and lists, read again
commands   what we ask of Stripe: checkouts, changes, refunds, the portal
http       the SDK's way to the network, time-outs, and Stripe's errors in our words
breaker    leaves Stripe alone for a while when it fails again and again
signing    who signed a webhook, and with which secret
events     which object an event is about; pure
objects    subscriptions, checkouts and customers in our words; pure
money      invoices and payment intents in our words; pure
fields     what reading any of Stripe's objects needs; pure
"""
