"""Counts what a property was tried on; the numbers stand at the end of the tests' report."""

from collections import Counter
from dataclasses import dataclass, field

TALLY = "tally"
"""The property of a test's report that holds what was counted."""


@dataclass
class Tally:
    """Messages that were tried: passed on, refused, or neither since their end never came."""

    conversations: int = 0
    forwarded: int = 0
    refused: int = 0

    def count(self, *, forwarded: int, refused: bool) -> None:
        """Add one conversation."""
        self.conversations += 1
        self.forwarded += forwarded
        self.refused += refused

    def __str__(self) -> str:
        tried = self.forwarded + self.refused
        return (
            f"{tried:,} messages tried in {self.conversations:,} conversations:"
            f" {self.forwarded:,} forwarded, {self.refused:,} refused"
        )


@dataclass
class HistoryTally:
    """Histories that were tried, and what befell them."""

    counted: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, number: int = 1) -> None:
        """Add so many of something."""
        self.counted[what] += number

    def __str__(self) -> str:
        return ", ".join(f"{number:,} {what}" for what, number in self.counted.items())
