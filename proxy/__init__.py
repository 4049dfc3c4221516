"""The way of a request: from a visitor's bytes to an app's, or to a refusal.

`server` listens, and each connection of a visitor is a `downstream`, which cuts its bytes
into requests; over TLS a `handshake` comes first, with `certificates`. Each `request` is carried
out by an `exchange`, and `gate` is the page that shows the whole flow:
`destination` reads where it goes (`canonical`, `routing`), then come the client's address
(`client_ip`), identity (`credential`, `identity`, `tokens`, `cookies`), facts (through
`ports`), decision (`policies`). `known` keeps what follows from a connection's fields, `passes`
what was decided and would be decided again. Then it goes on an `errand` to an app (`outgoing`
makes its head, `upload` takes its body along), and `relay` brings the answer back, or what
`responses` makes (`problems` for programs, `page` for people). A WebSocket becomes a `tunnel`.
What goes on for long is a `stream`; `streams` decides on all of them again when something
changes, and `looks` reads what that needs. `deadlines` ends what waits for too long, and
`access_log` tells of every request. `wire` is HTTP as bytes, `upstreams` the apps' side.

`settings` is what all of it is configured with, `parties` who takes part in an exchange,
`navigation` tells people from programs, `ids` names requests and decisions, and `sockets`
does what asyncio's transports do not.
"""
