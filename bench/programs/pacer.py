"""A paced load: `pacer PORT HOST TOKEN PATH RATE SECONDS`, which prints percentiles as JSON.

Requests are due at random instants (a Poisson process with a fixed seed, so that every
stack gets the same), and a latency counts from when its request was due: a stack that
stalls is not spared the requests that it kept waiting. Nothing of it is asyncio, whose
timers are whole milliseconds.
"""

import ctypes
import gc
import json
import random
import select
import socket
import sys
import time

_CONNECTIONS = 64
_SEED = 1
# What is still open at the end gets this long.
_LINGER_S = 5.0
_READ_BYTES = 65_536
_PR_SET_TIMERSLACK = 29


class _Pacer:
    def __init__(self, port: int, request: bytes) -> None:
        self._request = request
        self._idle = [_connect(port) for _ in range(_CONNECTIONS)]
        self._due_s: dict[socket.socket, float] = {}
        self._read: dict[socket.socket, bytes] = {}
        self.latencies_s: list[float] = []
        self.wrong = 0

    def run(self, rate: float, seconds: float) -> None:
        chance = random.Random(_SEED)  # noqa: S311 - arrivals, no secret
        waiting: list[float] = []
        start_s = time.perf_counter()
        next_s = start_s
        while True:
            now_s = time.perf_counter()
            while next_s <= now_s and next_s < start_s + seconds:
                waiting.append(next_s)
                next_s += chance.expovariate(rate)
            while waiting and self._idle:
                self._send(waiting.pop(0))
            is_over = next_s >= start_s + seconds
            if is_over and not self._due_s and not waiting:
                return
            if now_s > start_s + seconds + _LINGER_S:
                self.wrong += len(self._due_s) + len(waiting)
                return
            pause_s = _LINGER_S if is_over else max(0.0, next_s - time.perf_counter())
            readable, _, _ = select.select(list(self._due_s), [], [], pause_s)
            for connection in readable:
                self._receive(connection)

    def _send(self, due_s: float) -> None:
        connection = self._idle.pop()
        self._due_s[connection] = due_s
        self._read[connection] = b""
        connection.sendall(self._request)

    def _receive(self, connection: socket.socket) -> None:
        data = connection.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("a connection was closed under load")
        answer = self._read[connection] + data
        self._read[connection] = answer
        head, found, body = answer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self.latencies_s.append(time.perf_counter() - self._due_s.pop(connection))
        self.wrong += not head.startswith(b"HTTP/1.1 200")
        self._idle.append(connection)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _length(head: bytes) -> int:
    lower = head.lower()
    _, found, rest = lower.partition(b"\r\ncontent-length:")
    if not found:
        raise ValueError(f"an answer without a length: {head!r}")
    return int(rest.partition(b"\r\n")[0])


def main() -> None:
    """Load, and print what was seen."""
    port, host, token, path, rate, seconds = sys.argv[1:]
    # The kernel may otherwise let a timer be 50 µs late.
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.disable()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()
    pacer = _Pacer(int(port), request)
    pacer.run(float(rate), float(seconds))
    ordered = sorted(pacer.latencies_s)
    told = {
        "requests": len(ordered),
        "wrong": pacer.wrong,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[len(ordered) * 99 // 100] * 1000,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
