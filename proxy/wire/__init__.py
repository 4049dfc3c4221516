"""HTTP/1.1 as bytes, without sockets, clocks or decisions.

`parser` reads the head of a message with aiohttp's C parser, `head` is what comes of it,
`framing` tells from it how long the body is, and `chunks` reads and writes chunked bodies;
`reader` cuts a connection's bytes into requests. `fields` says which header fields go on, and
`frames` follows the frames of a WebSocket, `events` those of a stream of server-sent events.
"""
