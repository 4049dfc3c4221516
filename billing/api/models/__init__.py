"""What the API takes and gives; the same classes validate, answer, and make the document.

shapes          the two kinds of models, and the fields that many share
money           payments, refunds and subscriptions
clients         clients and the portal
plans           what is for sale
access          grants, blocks, and what is decided on them
operators       events and the audit log
problem         every error
"""
