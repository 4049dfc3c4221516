"""A request: what came, what was decided on it, and how far it has got."""

import time
from typing import TYPE_CHECKING

from policies.decision import Decision
from proxy.destination import Destination
from proxy.ids import new_id
from proxy.known import Known
from proxy.wire.head import RequestHead

if TYPE_CHECKING:
    from proxy.stream import Stream


class Request:
    """What the gate decides on and the log tells of; `exchange.Exchange` carries it out.

    `server_name` is the host that the visitor's TLS asked for, None where there is none.
    `status` is 0 until an answer was begun. `stream` is there once it goes on for long.
    """

    def __init__(self, head: RequestHead, known: Known, peer: str, server_name: str | None) -> None:
        self.head = head
        self.known = known
        self.peer = peer
        self.server_name = server_name
        self.request_id = new_id()
        self.started_s = time.perf_counter()
        self.destination: Destination | None = None
        self.app_id = ""
        self.decision: Decision | None = None
        self.decision_id = ""
        self.status = 0
        self.is_done = False
        self.stream: Stream | None = None

    def decided(self, app_id: str, decision: Decision) -> str:
        """Keep for the log what was decided, and why; return the decision's id."""
        self.app_id = app_id
        self.decision = decision
        self.decision_id = new_id()
        return self.decision_id
