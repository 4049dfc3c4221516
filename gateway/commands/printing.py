"""Tables of commands: whole, since what is cut off of an id or a key nobody can use."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table


def print_whole(table: Table) -> None:
    """Print the table, if need be in longer lines than the terminal has."""
    # What came from outside may look like markup, and be none that can be read.
    console = Console(markup=False, emoji=False)
    wide = console.options.update(max_width=10_000)
    console.width = max(console.width, Measurement.get(console, wide, table).maximum)
    console.print(table, highlight=False)
