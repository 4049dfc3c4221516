"""Server-sent events (`text/event-stream`, WHATWG HTML section 9.2.6), followed as they pass.

An event ends with an empty line. Nothing else of it is looked at, and nothing is changed.
"""

import re
from typing import Final

# A line ends with CRLF, LF or CR. Atomic: a CRLF must not be taken for a CR and an LF.
_EVENT_END: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_ENDS: Final = (b"\n\n", b"\r\r", b"\n\r", b"\n\r\n", b"\r\r\n")
# The longest of them: so much of what has passed tells whether an event has just ended.
_TAIL_BYTES: Final = 3


class EventReader:
    """Follows one stream of events."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    @property
    def at_boundary(self) -> bool:
        """Tell whether all that has passed are whole events."""
        return not self._tail or self._tail.endswith(_ENDS)

    def feed(self, data: bytes) -> None:
        """Take note of what passes."""
        self._tail = (self._tail + data)[-_TAIL_BYTES:]

    def find_end(self, data: bytes) -> int:
        """Return how much of `data` belongs to the event under way; -1 if that ends later."""
        begun = self._tail[len(self._tail.rstrip(b"\r\n")) :]
        found = _EVENT_END.search(begun + data)
        return -1 if found is None else found.end() - len(begun)
