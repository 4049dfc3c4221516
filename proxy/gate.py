"""The gate: every request's way, from a head to an app or to a refusal, on one page.

canonical request, route, client address, identity, facts, decision, act. The line that
forwards is reachable only with a Decision that allows. While identity and facts are in
memory nothing is awaited (the fast lane); what has to be asked for is awaited in a task of
the exchange's own, which comes back to the same steps.
"""

from collections.abc import Awaitable, Callable

from multidict import CIMultiDict, CIMultiDictProxy

from policies.decision import Decision, Outcome, Reason
from policies.engine import decide
from policies.identity import Anonymous, Client, Identity
from policies.model import Snapshot, Unknown
from policies.requirement import Access
from proxy import problems
from proxy.access_log import AccessLog
from proxy.answer import Answer, render
from proxy.canonical import Rejected
from proxy.credential import Credential
from proxy.destination import Destination, Destinations
from proxy.exchange import Exchange
from proxy.identity import Identifier, is_foreign_websocket
from proxy.ids import new_id
from proxy.outgoing import Dresser, entitlement_lines
from proxy.passes import Pass, Passes
from proxy.ports import Clock, Facts, Outages, SessionsUnavailableError
from proxy.problems import Problem
from proxy.responses import Asked, Responder
from proxy.routing import Matched, RouteTable
from proxy.settings import ProxySettings
from proxy.stream import stream_of
from proxy.streams import Streams
from proxy.tunnel import Tunnel
from proxy.upstreams.upstream import Upstream

# A form of a page is there at once, and a webhook within seconds.
_OWN_BODY_S = 15.0
_Look = Callable[[str], Awaitable[Snapshot | Unknown]]
_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class Gate:
    """Decides on requests; everything it needs is given to it."""

    def __init__(
        self,
        settings: ProxySettings,
        table: RouteTable,
        identifier: Identifier,
        facts: Facts,
        upstreams: dict[str, Upstream],
        control: Upstream,
        streams: Streams,
        *,
        clock: Clock,
        wall: Clock,
        log: AccessLog,
        outages: Outages,
    ) -> None:
        self._settings = settings
        self._identifier = identifier
        self._facts = facts
        self._upstreams = upstreams
        self._control = control
        self._streams = streams
        self._clock = clock
        self._log = log
        self._outages = outages
        self._destinations = Destinations(settings, table)
        self._respond = Responder(settings, table, wall)
        self._dress = Dresser(settings)
        self._passes = Passes()

    def begin(self, exchange: Exchange) -> None:
        """Take a request on, whose head was read."""
        try:
            self._begin(exchange)
        except Exception as error:  # noqa: BLE001 - the top of a request: it must end in an answer
            exchange.fail(error)

    def _begin(self, exchange: Exchange) -> None:
        head = exchange.head
        section = head.section
        aim = self._destinations.read(head.method, head.target, section.hosts)
        if isinstance(aim, Rejected):
            # Where one part was ambiguous, what follows on the connection may be too.
            exchange.refuse(problems.BAD_REQUEST, aim.why, closes=True)
            return
        exchange.destination = aim
        if exchange.server_name is not None and self._destinations.disagree(
            exchange.server_name, aim
        ):
            exchange.refuse(problems.MISDIRECTED)
            return
        matched = aim.matched
        if section.expects is not None and section.expects.lower() != b"100-continue":
            exchange.refuse(problems.EXPECTATION_FAILED)
            return
        if aim.is_own:
            self._forward_own(exchange, aim)
            return
        if matched is None:
            exchange.refuse(problems.NOT_FOUND)
            return
        known = exchange.known
        if known.credential is None:
            known.credential = self._identifier.read(section.headers)
        identity = self._identifier.recall(known.credential, aim.canonical.host)
        if identity is None:
            exchange.wait_for(self._identify(exchange, aim, matched, known.credential))
        else:
            self._look_up(exchange, aim, matched, identity)

    async def _identify(
        self,
        exchange: Exchange,
        aim: Destination,
        matched: Matched,
        credential: Credential,
    ) -> None:
        try:
            identity = await self._identifier.identify(credential, aim.canonical.host)
        except SessionsUnavailableError as error:
            identity = Anonymous()
            if matched.route.requirement.access is not Access.PUBLIC:
                unknown = Decision(Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN, detail=str(error))
                self._refuse(exchange, matched, unknown)
                return
        self._look_up(exchange, aim, matched, identity)

    def _look_up(
        self,
        exchange: Exchange,
        aim: Destination,
        matched: Matched,
        identity: Identity,
    ) -> None:
        facts = None
        if isinstance(identity, Client):
            facts = self._facts.find(identity.client_id)
            # On a public route nice to tell the app, and not worth waiting for.
            if facts is None and matched.route.requirement.access is not Access.PUBLIC:
                exchange.wait_for(self._read(exchange, aim, matched, identity))
                return
        self._decide(exchange, aim, matched, identity, facts)

    async def _read(
        self,
        exchange: Exchange,
        aim: Destination,
        matched: Matched,
        client: Client,
    ) -> None:
        facts = await self._facts.read(client.client_id)
        self._decide(exchange, aim, matched, client, facts)

    def _decide(
        self,
        exchange: Exchange,
        aim: Destination,
        matched: Matched,
        identity: Identity,
        facts: Snapshot | Unknown | None,
        *,
        is_final: bool = False,
    ) -> None:
        now = self._clock()
        if isinstance(facts, Snapshot) and not exchange.head.wants_websocket:
            earlier = self._passes.find(matched, facts, now)
            if earlier is not None:
                self._let_through(exchange, aim, earlier)
                return
        last_known = None
        if isinstance(facts, Unknown) and isinstance(identity, Client):
            last_known = self._facts.find_last_known(identity.client_id)
        decision = decide(matched.route.requirement, identity, facts, now, last_known)
        look = None if is_final else self._find_second_look(decision)
        if look is not None and isinstance(identity, Client):
            exchange.wait_for(self._look_again(exchange, aim, matched, identity, look))
            return
        if isinstance(facts, Unknown):
            self._outages.note(matched.app.id, decision.reason)
        if not decision.is_allowed:
            self._refuse(exchange, matched, decision)
            return
        if is_foreign_websocket(exchange.head, identity, aim.canonical.host):
            exchange.decided(matched.app.id, decision)
            exchange.refuse(problems.FORBIDDEN, "a WebSocket opened by a page of another site")
            return
        known_facts = facts if isinstance(facts, Snapshot) else None
        terms = self._dress.terms_of(matched.route, decision)
        passed = Pass(matched, decision, entitlement_lines(decision), terms, known_facts, now)
        self._passes.keep(passed)
        self._let_through(exchange, aim, passed)

    def _find_second_look(self, decision: Decision) -> _Look | None:
        """Return how to read the facts anew before a refusal, if that may change it.

        A renewal may have been paid without our having heard of it; other facts may be old.
        """
        client_id = decision.client_id
        if client_id is None or decision.outcome not in {Outcome.PAY, Outcome.FORBID}:
            return None
        if decision.reason is Reason.GRANT_ENDED and self._facts.may_refresh(client_id):
            return self._facts.read_refreshed
        is_old = self._facts.age_s(client_id) > self._settings.negative_ttl_s
        return self._facts.read_truth if is_old else None

    async def _look_again(
        self,
        exchange: Exchange,
        aim: Destination,
        matched: Matched,
        client: Client,
        look: _Look,
    ) -> None:
        # Where the truth cannot be read, the refusal is not spoken: unknown is not unpaid.
        truth = await look(client.client_id)
        self._decide(exchange, aim, matched, client, truth, is_final=True)

    def _refuse(self, exchange: Exchange, matched: Matched, decision: Decision) -> None:
        decision_id = exchange.decided(matched.app.id, decision)
        exchange.answer(
            self._respond.refuse(_asked(exchange), matched.route.requirement, decision, decision_id)
        )

    def _let_through(self, exchange: Exchange, aim: Destination, passed: Pass) -> None:
        app_id = passed.matched.app.id
        decision_id = exchange.decided(app_id, passed.decision)
        outgoing = self._dress.for_app(exchange, aim, passed, decision_id)
        exchange.forward(self._upstreams[app_id], outgoing)

    def _forward_own(self, exchange: Exchange, aim: Destination) -> None:
        """Pass a request of the gateway's own pages on; they need our cookies.

        Forms and webhooks are small: who sends one slowly must hold none of our few ways to
        the control application.
        """
        outgoing = self._dress.for_control(exchange, aim)
        if exchange.body_done:
            exchange.forward(self._control, outgoing)
            return
        limit = self._settings.own_body_limit_bytes
        exchange.collect(
            limit, _OWN_BODY_S, lambda body: exchange.forward(self._control, outgoing, body)
        )

    # What exchanges and connections ask for; see `exchange.Keeper`.

    def explain(self, exchange: Exchange, problem: Problem, detail: str | None) -> Answer:
        """Return the answer that tells a problem."""
        return self._respond.problem(_asked(exchange), problem, detail)

    def refuse(self, exchange: Exchange, decision: Decision) -> None:
        """Answer by a refusal what was let through; see `parties.Keeper`."""
        aim = exchange.destination
        if aim is not None and aim.matched is not None:
            self._refuse(exchange, aim.matched, decision)

    def watch(self, exchange: Exchange, tunnel: Tunnel | None = None) -> None:
        """End what goes on for long when a request like it would be refused."""
        if exchange.stream is not None:
            exchange.stream.tunnel = tunnel
            return
        stream = exchange.stream = stream_of(exchange, tunnel, self._identifier)
        if stream is not None:
            self._streams.add(stream)

    def note(self, exchange: Exchange) -> None:
        """Write the exchange's line in the log."""
        self._log.note(exchange)
        if exchange.stream is not None:
            self._streams.discard(exchange.stream)

    def refuse_unread(self, problem: Problem, detail: str | None) -> bytes:
        """Return the answer to what could not be read as a request."""
        request_id = new_id()
        answer = self._respond.problem(Asked(request_id, _NO_HEADERS), problem, detail)
        self._log.note_unread(request_id, problem)
        return render(answer, is_head=False, connection=b"Connection: close\r\n")


def _asked(exchange: Exchange) -> Asked:
    aim = exchange.destination
    canonical = None if aim is None else aim.canonical
    return Asked(exchange.request_id, exchange.head.headers, canonical)
