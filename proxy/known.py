"""What is known of a connection's visitor from one request to the next.

Most requests of a connection repeat their header fields to the byte. What follows from them
alone is worked out once and kept with the connection: it ends with it, and with the first
request whose fields differ.
"""

from proxy.credential import Credential
from proxy.wire.head import HeaderSection


class Known:
    """What follows from one header section, before one gate.

    `lines` are the visitor's own fields as an app may see them, and where they come from.
    """

    __slots__ = ("credential", "gate", "lines", "section")

    def __init__(self, gate: object, section: HeaderSection) -> None:
        self.gate = gate
        self.section = section
        self.credential: Credential | None = None
        self.lines: bytes | None = None


def known_of(earlier: Known | None, gate: object, section: HeaderSection) -> Known:
    """Return what is known from earlier, if it holds for this section before this gate."""
    if earlier is not None and earlier.section is section and earlier.gate is gate:
        return earlier
    return Known(gate, section)
