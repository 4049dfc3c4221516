"""Ports that are surely taken, or surely refuse, while other tests run beside us."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def refusing_port() -> Iterator[int]:
    """Yield a port of 127.0.0.1 that refuses every connection.

    The port stays bound without listening. A port that was only closed again may be another
    test's a moment later.
    """
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
