"""Tables of commands: whole, since what is cut off of an id or a key nobody can use."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table


def print_whole(table: Table) -> None:
    """Print the table, if need be in longer lines than the terminal has."""
    console = Console()
    wide = console.options.update(max_width=10_000)
    console.width = max(console.width, Measurement.get(console, wide, table).maximum)
    console.print(table, highlight=False)
