"""Large bodies: `bulk serve PORT`, `bulk down PORT HOST TOKEN BYTES` and `bulk up …`.

The app sends what is asked for from memory and throws away what it gets; the client
prints as JSON how long it took, and ends with an error if a byte is missing.
"""

import json
import os
import socket
import sys
import threading
import time

_BLOCK_BYTES = 4 << 20
_READ_BYTES = 1 << 18
_TIMEOUT_S = 120.0
PATH = "/v1/bulk"


def _serve(port: int) -> None:
    block = os.memfd_create("block")
    os.truncate(block, _BLOCK_BYTES)
    with socket.create_server(("127.0.0.1", port), backlog=128) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=(connection, block), daemon=True).start()


def _answer(connection: socket.socket, block: int) -> None:
    with connection:
        while True:
            head, body = _read_head(connection)
            if not head:
                return
            method, target, *_ = head.split(b"\r\n", 1)[0].split(b" ")
            if method == b"GET":
                wanted = int(target.rpartition(b"=")[2])
                _send_head(connection, f"HTTP/1.1 200 OK\r\nContent-Length: {wanted}\r\n")
                _send_blocks(connection, block, wanted)
            else:
                length = _field(head, b"content-length")
                taken = len(body) + _take_in(connection, length - len(body))
                told = str(taken)
                _send_head(connection, f"HTTP/1.1 200 OK\r\nContent-Length: {len(told)}\r\n", told)


def _download(connection: socket.socket, host: str, token: str, size: int) -> None:
    _send_head(connection, _request("GET", f"{PATH}?bytes={size}", host, token))
    head, body = _read_head(connection)
    taken = len(body) + _take_in(connection, size - len(body))
    if not head.startswith(b"HTTP/1.1 200") or taken != size:
        raise ValueError(f"{taken} of {size} bytes came after {head!r}")


def _upload(connection: socket.socket, host: str, token: str, size: int) -> None:
    head_text = _request("POST", PATH, host, token) + f"Content-Length: {size}\r\n"
    _send_head(connection, head_text)
    block = os.memfd_create("block")
    os.truncate(block, _BLOCK_BYTES)
    _send_blocks(connection, block, size)
    head, body = _read_head(connection)
    length = _field(head, b"content-length")
    while len(body) < length:
        body += connection.recv(_READ_BYTES)
    if not head.startswith(b"HTTP/1.1 200") or int(body) != size:
        raise ValueError(f"{size} bytes sent, and answered by {head!r} {body!r}")


def _request(method: str, target: str, host: str, token: str) -> str:
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(_READ_BYTES)
        if not more:
            return b"", b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


def _send_head(connection: socket.socket, lines: str, body: str = "") -> None:
    connection.sendall(f"{lines}\r\n{body}".encode())


def _send_blocks(connection: socket.socket, block: int, size: int) -> None:
    left = size
    while left:
        left -= os.sendfile(connection.fileno(), block, 0, min(left, _BLOCK_BYTES))


def _take_in(connection: socket.socket, size: int) -> int:
    buffer = bytearray(_READ_BYTES)
    taken = 0
    while taken < size:
        count = connection.recv_into(buffer, min(size - taken, _READ_BYTES))
        if count == 0:
            break
        taken += count
    return taken


def _field(head: bytes, name: bytes) -> int:
    return int(head.lower().partition(name + b":")[2].partition(b"\r\n")[0])


def main() -> None:
    """Serve until stopped, or move a body once."""
    match sys.argv[1:]:
        case ["serve", port]:
            _serve(int(port))
        case [way, port, host, token, size]:
            with socket.create_connection(("127.0.0.1", int(port)), _TIMEOUT_S) as connection:
                # sendfile takes no time-out of Python's; the caller has one.
                connection.settimeout(None)
                began_s = time.perf_counter()
                move = _upload if way == "up" else _download
                move(connection, host, token, int(size))
                took_s = time.perf_counter() - began_s
            sys.stdout.write(json.dumps({"seconds": took_s}) + "\n")
        case _:
            raise SystemExit(2)


if __name__ == "__main__":
    main()
