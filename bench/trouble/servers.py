"""Where a link to one of our own servers has to lead, and how a process is made to hang."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from bench.trouble.link import Link


def socket_of_postgres(url: str) -> Path:
    """Return the unix socket that the embedded Postgres's URL names."""
    query = parse_qs(urlsplit(url).query)
    return Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}"


def socket_of_valkey(url: str) -> Path:
    """Return the unix socket that the embedded Valkey's URL names."""
    return Path(unquote(urlsplit(url).path))


def postgres_through(link: Link, url: str) -> str:
    """Return the URL of the embedded Postgres for who has to go through the link."""
    parts = urlsplit(url)
    user = parse_qs(parts.query)["user"][0]
    return f"postgresql://{user}@127.0.0.1:{link.port}{parts.path}?sslmode=disable"


def valkey_through(link: Link) -> str:
    """Return the URL of the embedded Valkey for who has to go through the link."""
    return f"redis://127.0.0.1:{link.port}"


def freeze(*pids: int) -> None:
    """Let the processes do nothing more: their sockets stay open, and nobody answers."""
    send(signal.SIGSTOP, *pids)


def thaw(*pids: int) -> None:
    """Let them go on."""
    send(signal.SIGCONT, *pids)


def send(number: signal.Signals, *pids: int) -> None:
    """Send a signal to those that have not ended meanwhile."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Let the processes do nothing within."""
    freeze(*pids)
    try:
        yield
    finally:
        thaw(*pids)
