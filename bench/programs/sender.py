"""Sends webhooks as fast as they are taken: `sender FILE PORT HOST SECRET CONNECTIONS`.

Each line of the file is the body of one event. It is signed as Stripe signs when it is sent
(Stripe, "Verify webhook signatures manually"), goes once, in the order of the file, over one
of so many keep-alive connections, and what came of all is printed as JSON.
"""

import gc
import hashlib
import hmac
import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_READ_BYTES = 65_536
# Who does not answer for so long does not answer any more.
_SILENCE_S = 20.0


class _Sender:
    def __init__(self, port: int, host: str, secret: str, connections: int) -> None:
        self._host = host
        self._key = secret.encode()
        self._idle = [_connect(port) for _ in range(connections)]
        self._sent_s: dict[socket.socket, float] = {}
        self._read: dict[socket.socket, bytes] = {}
        self.latencies_s: list[float] = []
        self.refused = 0

    def run(self, bodies: Iterator[bytes]) -> float:
        """Send everything; return the seconds that it took."""
        start_s = time.perf_counter()
        is_over = False
        while not is_over or self._sent_s:
            while self._idle and not is_over:
                body = next(bodies, None)
                if body is None:
                    is_over = True
                else:
                    self._send(body)
            readable, _, _ = select.select(list(self._sent_s), [], [], _SILENCE_S)
            if self._sent_s and not readable:
                raise TimeoutError(f"{len(self._sent_s)} webhooks were not answered")
            for connection in readable:
                self._receive(connection)
        return time.perf_counter() - start_s

    def _send(self, body: bytes) -> None:
        connection = self._idle.pop()
        at = int(time.time())
        signature = hmac.new(self._key, b"%d." % at + body, hashlib.sha256).hexdigest()
        head = (
            f"POST /webhook HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Stripe-Signature: t={at},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._sent_s[connection] = time.perf_counter()
        self._read[connection] = b""
        connection.sendall(head.encode() + body)

    def _receive(self, connection: socket.socket) -> None:
        data = connection.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("a connection was closed under load")
        answer = self._read[connection] + data
        self._read[connection] = answer
        head, found, body = answer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self.latencies_s.append(time.perf_counter() - self._sent_s.pop(connection))
        self.refused += not head.startswith(b"HTTP/1.1 200")
        self._idle.append(connection)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    if not found:
        raise ValueError(f"an answer without a length: {head!r}")
    return int(rest.partition(b"\r\n")[0])


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as lines:
        for line in lines:
            yield line.rstrip(b"\n")


def main() -> None:
    """Send, and print what came of it."""
    file, port, host, secret, connections = sys.argv[1:]
    gc.disable()
    sender = _Sender(int(port), host, secret, int(connections))
    seconds = sender.run(_lines(Path(file)))
    ordered = sorted(sender.latencies_s)
    told = {
        "sent": len(ordered),
        "refused": sender.refused,
        "seconds": seconds,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[len(ordered) * 99 // 100] * 1000,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
