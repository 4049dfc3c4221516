"""Which Tollway this is."""

from functools import cache
from pathlib import Path


@cache
def product_version() -> str:
    """Return Tollway's own version."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    return text.split('version = "', 1)[1].split('"', 1)[0]
