"""Where the processes of a test keep their sockets."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def run() -> Iterator[Path]:
    """Return a folder whose path is short: a socket's may have a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        yield Path(folder)
