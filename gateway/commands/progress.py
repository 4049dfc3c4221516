"""The bar that long commands show on a terminal, and nowhere else."""

from rich.console import Console
from rich.progress import Progress


def progress_bar() -> Progress:
    """Return a bar on standard error, which leaves nothing behind."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)
