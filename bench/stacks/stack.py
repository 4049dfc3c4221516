"""What a stack is: a way from a visitor to the app that can be started, asked and stopped."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bench.site import Site


@dataclass(frozen=True, slots=True)
class Listening:
    """A stack that takes requests now, on 127.0.0.1.

    `pids` are the roots of the process trees whose CPU counts; `refuses` tells whether a
    request without the bearer token must be turned away, `asks` whether it is the
    decision service that is asked about each.
    """

    port: int
    host: str
    pids: tuple[int, ...]
    refuses: bool = False
    asks: bool = False


class Stack(Protocol):
    """One line of the table. `name` is for options and files, `title` for readers."""

    @property
    def name(self) -> str:
        """Return the word that options and files use."""
        ...

    @property
    def title(self) -> str:
        """Return what readers see."""
        ...

    @property
    def does(self) -> str:
        """Return in a few words what the stack does for a request."""
        ...

    def find_missing(self) -> str | None:
        """Return what has to be installed, in one line, or None when it can run."""
        ...

    def run(self, site: Site) -> AbstractAsyncContextManager[Listening]:
        """Run it while entered.

        Raises:
            BenchError: it did not start.
        """
        ...
