"""Events of payment providers, from the socket to the rows that they are a hint about.

endpoint      verifies and stores
group_commit  one commit for all that come at once
inbox         keeps, claims and settles; all SQL of it
processing    reads the object again, and decides what becomes of its events
worker        claims and processes, several objects at once
retention     how long settled events are kept
masking       takes the payer out of a body before a person looks at it
"""
