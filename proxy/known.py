"""What is known of a connection's visitor from one request to the next.

Most requests of a connection repeat their header fields to the byte. What follows from them
alone is worked out once and kept with the connection: it ends with it, and with the first
request whose fields differ. Facts and time are asked anew for every request.
"""

from dataclasses import dataclass
from datetime import datetime

from policies.decision import Decision
from policies.model import Snapshot, Unknown
from proxy.credential import Credential
from proxy.parties import Terms
from proxy.routing import Matched
from proxy.wire.head import HeaderSection


@dataclass(frozen=True, slots=True)
class Pass:
    """A decision that allows, and the lines that an app is told with it.

    Deciding is a pure function of the route, what the client holds and the time, and what a
    client holds is the same from `since` until its own `valid_until`: while all of these
    agree, deciding again would give this very decision.
    """

    matched: Matched
    facts: Snapshot | Unknown | None
    since: datetime
    decision: Decision
    lines: bytes
    terms: Terms

    @property
    def can_be_kept(self) -> bool:
        """Tell whether the decision rests on a snapshot, and on nothing else that may change."""
        return isinstance(self.facts, Snapshot) and self.decision.entitlement is not None

    def holds(self, matched: Matched, facts: object, now: datetime) -> bool:
        """Tell whether deciding anew would give the same; only of one that was kept."""
        held = self.decision.entitlement
        return (
            self.facts is facts
            and self.matched is matched
            and self.since <= now
            and held is not None
            and (held.valid_until is None or now < held.valid_until)
        )


class Known:
    """What follows from one header section; `passes` are by the id of what was matched."""

    __slots__ = ("credential", "gate", "passes", "section")

    def __init__(self, gate: object, section: HeaderSection) -> None:
        self.gate = gate
        self.section = section
        self.credential: Credential | None = None
        self.passes: dict[int, Pass] = {}


def known_of(earlier: Known | None, gate: object, section: HeaderSection) -> Known:
    """Return what is known from earlier, if it holds for this section before this gate."""
    if earlier is not None and earlier.section is section and earlier.gate is gate:
        return earlier
    return Known(gate, section)
