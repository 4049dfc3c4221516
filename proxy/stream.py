"""One exchange that goes on for long: a WebSocket, a stream of events, a long answer.

It rests on the decision that let it through, and ends when that does not hold any more: a
WebSocket with a close frame, events behind the one under way, and any other answer by a cut,
so that nobody takes what he has for the whole.
"""

import asyncio
import math
from datetime import datetime, timedelta
from typing import Final

from policies.decision import Decision
from policies.ending import End, is_warned_of
from policies.identity import Client
from policies.model import Snapshot
from policies.requirement import Access
from proxy.credential import Credential
from proxy.deadlines import NEVER
from proxy.exchange import Exchange
from proxy.identity import Identifier
from proxy.responses import close_code_of
from proxy.routing import Matched
from proxy.tunnel import Tunnel

# A renewal may have been paid without our having heard of it: so long before a client's time is
# over his provider is asked, which takes a second at most.
_LEAD: Final = timedelta(seconds=3)
# For an event to end, and for an answer that was under way when its request was called off.
_ENDING_S: Final = 3.0
# A page that does not listen for such events never hears of it.
_WARNING: Final = b'event: entitlement-ending\ndata: {"reason": "%b", "ends_in_s": %d}\n\n'
# Of these, no work of the app's is lost when there is no answer; all others are waited for.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Stream:
    """What goes on, who asked for it, and how it will end as far as that is known.

    `tunnel` is there once it is a WebSocket. `end` is where it ends by the passing of time, or
    by a warning that has begun; None is never, as far as is known. In seconds, so that many are
    looked through quickly: from `due_s` on, since 1970 on the clock of entitlements, something is
    to be done about it, from `until_s` on, on the wall's clock, it has to be found out anew who
    asks, and from `look_s` on, in the loop's time, it is looked at for good measure.
    """

    __slots__ = (
        "_cut_s",
        "_refusal",
        "_warning",
        "client",
        "credential",
        "due_s",
        "end",
        "exchange",
        "identifier",
        "is_looked_at",
        "is_warned",
        "look_s",
        "matched",
        "timer",
        "tunnel",
        "until_s",
    )

    def __init__(
        self,
        exchange: Exchange,
        tunnel: Tunnel | None,
        matched: Matched,
        client: Client,
        credential: Credential,
        identifier: Identifier,
    ) -> None:
        self.exchange = exchange
        self.matched = matched
        self.client = client
        self.credential = credential
        self.identifier = identifier
        self.end: End | None = None
        self.due_s = self.until_s = self.look_s = NEVER
        self.timer: asyncio.TimerHandle | None = None
        self.is_looked_at = False
        self.is_warned = False
        self._refusal: Decision | None = None
        self.tunnel = tunnel
        self._warning = timedelta()
        self._cut_s = NEVER

    @property
    def is_called_off(self) -> bool:
        """Tell whether it ends, be it at once or a little later."""
        return self._refusal is not None

    @property
    def next_at(self) -> datetime | None:
        """The instant at which something is to be done about its end; None is never."""
        end = self.end
        if end is None or self.is_called_off:
            return None
        if not self.is_looked_at:
            return end.at - self._warning - _LEAD
        return end.at if self.is_warned else end.at - self._warning

    def renew(self, end: End | None, snapshot: Snapshot | None) -> None:
        """Take note that it may go on, until `end` as far as `snapshot` tells."""
        if self.end is not None and end is not None and self.end.at == end.at:
            return
        route = self.matched.route
        is_warned_of_it = end is not None and is_warned_of(
            end.decision, route.requirement, snapshot, end.at
        )
        self.end = end
        self._warning = timedelta(seconds=route.warning_s if is_warned_of_it else 0)
        self.is_looked_at = False
        self.is_warned = not self._warning
        self._plan()

    def note_look(self) -> None:
        """Take note that its provider is asked before it ends."""
        self.is_looked_at = True
        self._plan()

    def refuse(self, decision: Decision, snapshot: Snapshot | None, now: datetime) -> None:
        """Take note that a request like it would be refused now.

        What was known to end by now ends. What ends unforeseen has its warning first, if it is of
        a kind that knows one, and never lasts longer than was known before.
        """
        route, end = self.matched.route, self.end
        is_over = end is not None and end.at <= now
        if is_over or not is_warned_of(decision, route.requirement, snapshot, now):
            self.call_off(decision)
            return
        if end is not None and self._warning and self.is_warned:
            return
        last_at = now + timedelta(seconds=route.warning_s)
        if end is not None:
            last_at = min(last_at, end.at)
        if last_at <= now:
            self.call_off(decision)
            return
        self.end = End(last_at, decision)
        self._warning = last_at - now
        self.is_looked_at = True
        self.warn(now)

    def warn(self, now: datetime) -> None:
        """Tell both sides, as far as there is a way, that its end is near."""
        self.is_warned = True
        self._plan()
        if self.end is None:
            return
        reason = self.end.decision.reason.value
        left_s = math.ceil((self.end.at - now).total_seconds())
        if self.tunnel is not None:
            self.tunnel.remark(f"{close_code_of(self.end.decision)} {reason} {left_s}")
        else:
            self.exchange.relay.remark(_WARNING % (reason.encode(), left_s))

    def call_off(self, decision: Decision) -> None:
        """End it as soon as that can be done without harm."""
        exchange = self.exchange
        # A look may come back after the end, when the connection has another answer under way.
        if self.is_called_off or exchange.is_done:
            return
        self._refusal = decision
        self.look_s = 0.0  # until it is gone
        if self.tunnel is not None:
            exchange.decided(exchange.app_id, decision)
            self.tunnel.close(close_code_of(decision), decision.reason.value)
        elif exchange.status == 0:
            # What the app does for any other request is done, and must not be asked for again.
            self._cut_s = 0.0
            if exchange.head.method in _SAFE:
                exchange.withdraw(decision)
        else:
            exchange.decided(exchange.app_id, decision)
            self._cut_s = asyncio.get_running_loop().time() + _ENDING_S
            if not exchange.end_events():
                exchange.cut()

    def _plan(self) -> None:
        next_at = self.next_at
        self.due_s = NEVER if next_at is None else next_at.timestamp()

    def check(self, now_s: float) -> None:
        """Cut an answer that was called off and does not end; called now and then."""
        if self._refusal is not None and now_s >= self._cut_s and self.exchange.status:
            self.exchange.decided(self.exchange.app_id, self._refusal)
            self.exchange.cut()


def stream_of(exchange: Exchange, tunnel: Tunnel | None, identifier: Identifier) -> Stream | None:
    """Return what has to be watched of an exchange; None where it was open to everybody."""
    aim, decision, credential = exchange.destination, exchange.decision, exchange.known.credential
    if aim is None or aim.matched is None or decision is None or credential is None:
        return None
    if aim.matched.route.requirement.access is Access.PUBLIC or decision.client_id is None:
        return None
    client = Client(decision.client_id, "session" if credential.bearer is None else "token")
    return Stream(exchange, tunnel, aim.matched, client, credential, identifier)
