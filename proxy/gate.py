"""The gate: every request's way, from bytes to an app or to a refusal, on one page.

canonical request, route, client address, identity, facts, decision, act. The line that
forwards is reachable only with a Decision that allows.
"""

import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

from policies.decision import Decision, Outcome, Reason
from policies.engine import decide
from policies.identity import Anonymous, Client
from policies.model import Snapshot, Unknown
from policies.requirement import Access, Requirement
from proxy import problems
from proxy.bodies import BodyTooLargeError, read_whole
from proxy.canonical import CanonicalRequest, Rejected, parse_request
from proxy.client_ip import client_address
from proxy.headers import entitlement_fields, forwarded_fields, strip_request
from proxy.identity import Identified, Identifier, has_bearer
from proxy.navigation import is_upgrade
from proxy.ports import Clock, Facts, SessionsUnavailableError
from proxy.responses import Asked, Responder
from proxy.routing import RouteTable
from proxy.settings import RESERVED_PREFIX, App, ProxySettings
from proxy.upstream import Outgoing, Upstream, UpstreamError, UpstreamTimeoutError
from proxy.websocket import forward_websocket, is_foreign_websocket

_log = structlog.get_logger("proxy")

# Asked by probes that know our address and not our name.
_PROBES = frozenset({"/healthz", "/readyz", "/version"})


@dataclass(slots=True)
class Trace:
    """What the one log line of a request tells; filled in as the request goes its way."""

    request_id: str = field(default_factory=lambda: secrets.token_hex(8))
    started_s: float = field(default_factory=time.perf_counter)
    facts: dict[str, str | None] = field(default_factory=dict)

    def tell(self, method: str, status: int) -> None:
        """Write the line. Neither address nor query nor credential is in it."""
        ms = round((time.perf_counter() - self.started_s) * 1000, 2)
        _log.info(
            "request", request_id=self.request_id, method=method, status=status, ms=ms, **self.facts
        )


class Gate:
    """Handles requests; everything it needs is given to it."""

    def __init__(
        self,
        settings: ProxySettings,
        table: RouteTable,
        identifier: Identifier,
        facts: Facts,
        upstreams: dict[str, Upstream],
        control: Upstream,
        *,
        clock: Clock,
        wall: Clock,
    ) -> None:
        self._settings = settings
        self._table = table
        self._identifier = identifier
        self._facts = facts
        self._upstreams = upstreams
        self._control = control
        self._clock = clock
        self._respond = Responder(settings, table, wall)
        # What apps make absolute links of.
        port = urlsplit(settings.public_url).port
        self._port = "" if port is None else f":{port}"
        self._own_cookies = frozenset({settings.session_cookie, settings.flow_cookie})

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, and write its line in the log."""
        trace = Trace()
        status = 499  # The visitor left before there was an answer (nginx's number).
        try:
            answer = await self._answer(request, trace)
        except ConnectionError:
            raise
        except Exception:
            status = 500
            raise
        else:
            status = answer.status
            return answer
        finally:
            trace.tell(request.method, status)

    async def _answer(self, request: web.BaseRequest, trace: Trace) -> web.StreamResponse:
        asked = Asked(trace.request_id, request.headers)
        canonical = parse_request(
            request.method,
            request.raw_path,
            request.headers.getall("Host", ()),
            self._settings.url_limit_bytes,
        )
        if isinstance(canonical, Rejected):
            answer = self._respond.problem(asked, problems.BAD_REQUEST, canonical.why)
            # Where one part was ambiguous, what follows on the connection may be too.
            answer.force_close()
            return answer
        asked = Asked(trace.request_id, request.headers, canonical)
        trace.facts |= {"host": canonical.host, "path": canonical.path}
        if self._is_own(canonical):
            return await self._forward_own(request, asked, canonical)
        matched = self._table.match(canonical)
        if matched is None:
            return self._respond.problem(asked, problems.NOT_FOUND)
        requirement = matched.route.requirement
        identified, decision = await self._decide(request, canonical, requirement)
        decision_id = secrets.token_hex(8)
        trace.facts |= {
            "app": matched.app.id,
            "outcome": decision.outcome.value,
            "reason": decision.reason.value,
            "decision_id": decision_id,
            "client": decision.client_id,
        }
        if not decision.is_allowed:
            return self._respond.refuse(asked, requirement, decision, decision_id)
        if is_foreign_websocket(request, canonical, identified.identity):
            return self._respond.problem(
                asked, problems.FORBIDDEN, "a WebSocket opened by a page of another site"
            )
        headers = self._fields_for(request, asked, canonical, identified, decision, decision_id)
        outgoing = Outgoing(canonical.method, canonical.target, headers)
        return await self._forward(request, asked, outgoing, matched.app, requirement)

    def _is_own(self, canonical: CanonicalRequest) -> bool:
        """Tell whether the gateway itself answers here, and no app."""
        if canonical.host == self._settings.public_host:
            return True
        if self._table.find_app(canonical.host) is None:
            return canonical.text in _PROBES
        return canonical.text.startswith(RESERVED_PREFIX)

    async def _decide(
        self, request: web.BaseRequest, canonical: CanonicalRequest, requirement: Requirement
    ) -> tuple[Identified, Decision]:
        try:
            identified = await self._identifier.identify(request.headers, canonical.host)
        except SessionsUnavailableError as error:
            if requirement.access is Access.PUBLIC:
                # A bearer token that led to the store was ours.
                nobody = Identified(Anonymous(), token_was_ours=has_bearer(request.headers))
                return nobody, decide(requirement, nobody.identity, None, self._clock())
            decision = _decide_unidentified(str(error))
            return Identified(Anonymous()), decision
        identity = identified.identity
        if not isinstance(identity, Client):
            return identified, decide(requirement, identity, None, self._clock())
        client_id = identity.client_id
        facts = await self._look_up(client_id, requirement)
        last_known = self._facts.find_last_known(client_id)
        decision = decide(requirement, identity, facts, self._clock(), last_known)
        if self._is_worth_a_second_look(decision, client_id):
            # Where the truth cannot be read, the refusal is not spoken: unknown is not unpaid.
            truth = await self._facts.read_truth(client_id)
            decision = decide(requirement, identity, truth, self._clock(), last_known)
        return identified, decision

    async def _look_up(self, client_id: str, requirement: Requirement) -> Snapshot | Unknown | None:
        if requirement.access is Access.PUBLIC:
            # Nice to tell the app, not worth waiting for.
            return self._facts.find(client_id)
        return await self._facts.read(client_id)

    def _is_worth_a_second_look(self, decision: Decision, client_id: str) -> bool:
        """Tell whether a refusal rests on facts that are more than seconds old."""
        refused = decision.outcome in {Outcome.PAY, Outcome.FORBID}
        return refused and self._facts.age_s(client_id) > self._settings.negative_ttl_s

    def _fields_for(
        self,
        request: web.BaseRequest,
        asked: Asked,
        canonical: CanonicalRequest,
        identified: Identified,
        decision: Decision,
        decision_id: str,
    ) -> CIMultiDict[str]:
        """Return the header fields for the app: first strip, then set."""
        headers = strip_request(
            request.headers,
            own_cookies=self._own_cookies,
            hide_authorization=identified.token_was_ours,
        )
        headers.extend(self._forwarded(request, asked, canonical))
        headers.extend(entitlement_fields(decision, decision_id))
        return headers

    def _forwarded(
        self, request: web.BaseRequest, asked: Asked, canonical: CanonicalRequest
    ) -> list[tuple[str, str]]:
        address = client_address(
            request.remote or "",
            request.headers.getall("X-Forwarded-For", ()),
            self._settings.trusted_proxies,
        )
        scheme = "https" if self._settings.is_secure else "http"
        host = f"{canonical.host}{self._port}"
        return forwarded_fields(address, scheme, host, asked.request_id)

    async def _forward(
        self,
        request: web.BaseRequest,
        asked: Asked,
        outgoing: Outgoing,
        app: App,
        requirement: Requirement,
    ) -> web.StreamResponse:
        upstream = self._upstreams[app.id]
        if is_upgrade(outgoing.method, request.headers):
            try:
                return await forward_websocket(request, outgoing, upstream)
            except UpstreamTimeoutError as error:
                return self._respond.problem(asked, problems.UPSTREAM_TIMEOUT, str(error))
            except UpstreamError as error:
                return self._respond.problem(asked, problems.BAD_UPSTREAM, str(error))
        added = CIMultiDict({"X-Request-Id": asked.request_id})
        if requirement.access is not Access.PUBLIC:
            added.add("Vary", "Cookie, Authorization")
        return await self._send(request, asked, upstream, outgoing, added)

    async def _forward_own(
        self, request: web.BaseRequest, asked: Asked, canonical: CanonicalRequest
    ) -> web.StreamResponse:
        """Pass a request of the gateway's own pages on; they need our cookies."""
        headers = strip_request(request.headers, own_cookies=frozenset(), hide_authorization=False)
        headers.extend(self._forwarded(request, asked, canonical))
        headers["Host"] = canonical.host
        outgoing = Outgoing(canonical.method, canonical.target, headers)
        return await self._send(
            request,
            asked,
            self._control,
            outgoing,
            CIMultiDict({"X-Request-Id": asked.request_id}),
            reads_whole=request.body_exists,
        )

    async def _send(
        self,
        request: web.BaseRequest,
        asked: Asked,
        upstream: Upstream,
        outgoing: Outgoing,
        added: CIMultiDict[str],
        *,
        reads_whole: bool = False,
    ) -> web.StreamResponse:
        expectation = request.headers.get("Expect")
        if expectation is not None and request.version >= HttpVersion11:
            if expectation.lower() != "100-continue":
                return self._respond.problem(asked, problems.EXPECTATION_FAILED)
            # Only now, so that nobody uploads what will be refused (RFC 9110, 10.1.1).
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = None
        if reads_whole:
            # Forms and webhooks are small: who sends one slowly must hold none of our few
            # ways to the control application.
            try:
                body = await read_whole(request, self._settings.own_body_limit_bytes)
            except BodyTooLargeError:
                return self._refuse_body(asked, problems.TOO_LARGE)
            except TimeoutError:
                return self._refuse_body(asked, problems.TOO_SLOW)
        try:
            return await upstream.forward(request, outgoing, added, body)
        except UpstreamTimeoutError as error:
            return self._respond.problem(asked, problems.UPSTREAM_TIMEOUT, str(error))
        except UpstreamError as error:
            _log.warning("upstream_failed", request_id=asked.request_id, why=str(error))
            return self._respond.problem(asked, problems.BAD_UPSTREAM)

    def _refuse_body(self, asked: Asked, problem: problems.Problem) -> web.StreamResponse:
        answer = self._respond.problem(asked, problem)
        answer.force_close()
        return answer


def _decide_unidentified(why: str) -> Decision:
    """Return the decision when it cannot be known who asks: nobody is refused as unpaid."""
    return Decision(Outcome.UNAVAILABLE, Reason.FACTS_UNKNOWN, detail=why)
