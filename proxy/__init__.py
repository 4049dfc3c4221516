"""The way of a request: from a visitor's bytes to an app's, or to a refusal.

`server` listens, `canonical` reads the request once, `gate` is the page that shows
the whole flow: route (`routing`), client address (`client_ip`), identity (`identity`,
`tokens`), facts (through `ports`), decision (`policies`), and then `upstream` or
`websocket`, or an answer of our own (`responses`: `problems` for
programs, `page` for people). `headers` holds what is stripped and what is set.
"""
