"""What a reader can run without a company behind it: sample apps and a payment sandbox.

apps        ten small web apps in one process, the upstreams of the shipped configuration
sandbox     a payment provider that speaks Stripe's wire shapes and moves no money
lifetime    how long both programs run: until a signal, or until their parent lets go
"""
