"""Who may pass: the pure core of Tollway.

What comes in: facts about a client (`model`: grants, blocks, a snapshot), what a
route asks for (`requirement`), and an instant. What decides: `engine.decide`, a
total function, by what a snapshot means for one app (`entitlement`). What goes out: a
`decision.Decision` with its reasons, which `proxy` carries out for whoever asked
(`identity`). `degraded` says what holds while the facts are unknown, `ending` how what
was allowed ends,
`permission` who may do what over the API, and `return_url` signs the page that a
visitor is sent back to after sign-in or checkout.

Nothing here performs I/O, reads a clock or imports anything but the standard
library, so that every rule can be tested as a table.
"""
