"""HTTP/1.1 as bytes, without sockets, clocks or decisions.

`head` reads the head of a message with aiohttp's C parser, `framing` tells from it how
long the body is, and `chunks` reads and writes chunked bodies. `fields` says which header
fields go on, and `frames` follows the frames of a WebSocket.
"""
