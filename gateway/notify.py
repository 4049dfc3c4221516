"""Tells systemd that we are ready, and which process is the one to look after (sd_notify(3))."""

import contextlib
import os
import socket


def notify_ready() -> None:
    """Say that visitors are served, by us; nothing happens where nobody asked to be told."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
        # Who asked is gone, or is not systemd: no reason not to serve.
        contextlib.suppress(OSError),
    ):
        # A leading @ is an abstract name.
        sock.connect("\0" + path[1:] if path.startswith("@") else path)
        sock.sendall(f"READY=1\nMAINPID={os.getpid()}".encode())
