"""What an app receives: the canonical request line, the visitor's fields, and ours."""

from datetime import UTC
from urllib.parse import quote, urlsplit

from policies.decision import Decision
from policies.requirement import Access
from proxy.client_ip import client_address
from proxy.destination import Destination
from proxy.exchange import Exchange
from proxy.parties import Outgoing, Terms
from proxy.passes import Pass
from proxy.settings import ProxySettings, Route
from proxy.wire.fields import strip_request

_VARY = b"Vary: Cookie, Authorization\r\n"
_WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
_NO_COOKIES: frozenset[bytes] = frozenset()


class Dresser:
    """Makes the heads of requests to apps: first strip, then set."""

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        # What apps make absolute links of.
        port = urlsplit(settings.public_url).port
        self._port = "" if port is None else f":{port}"
        self._scheme = "https" if settings.is_secure else "http"
        own = (settings.session_cookie, settings.flow_cookie)
        self._own_cookies = frozenset(name.encode() for name in own)
        # By the id of a route, which lives as long as we do.
        self._terms: dict[tuple[int, bool], Terms] = {}
        self._control_terms = Terms(settings.timeouts, _NO_COOKIES, is_private=False)

    def terms_of(self, route: Route, decision: Decision) -> Terms:
        """Return what holds for requests of the route, and for their answers.

        An app that is told who asks may answer for him alone, on a public route too.
        """
        is_private = decision.client_id is not None
        is_private = is_private or route.requirement.access is not Access.PUBLIC
        key = (id(route), is_private)
        terms = self._terms.get(key)
        if terms is None:
            terms = self._terms[key] = Terms(
                route.timeouts or self._settings.timeouts,
                self._own_cookies,
                is_private=is_private,
                body_limit=route.body_limit_bytes,
            )
        return terms

    def for_app(
        self, exchange: Exchange, aim: Destination, passed: Pass, decision_id: str
    ) -> Outgoing:
        """Return the request as an app shall see it."""
        known = exchange.known
        if known.lines is None:
            credential = known.credential
            # A bearer token that let anybody in was ours: an app must not be able to act as
            # its visitor elsewhere.
            hide = credential is not None and credential.bearer is not None
            known.lines = self._lines(
                exchange, aim, own_cookies=self._own_cookies, hide_authorization=hide
            )
        terms = passed.terms
        request_id = exchange.request_id
        added = f"X-Request-Id: {request_id}\r\n".encode()
        decided = f"X-Entitlement-Decision-Id: {decision_id}\r\n".encode()
        head = b"".join((aim.line, added, decided, known.lines, passed.lines))
        if exchange.head.wants_websocket:
            head += _WEBSOCKET
        return Outgoing(head, added + _VARY if terms.is_private else added, terms)

    def for_control(self, exchange: Exchange, aim: Destination) -> Outgoing:
        """Return the request as the gateway's own pages shall see it, with our cookies."""
        added = f"X-Request-Id: {exchange.request_id}\r\n".encode()
        lines = self._lines(exchange, aim, own_cookies=_NO_COOKIES, hide_authorization=False)
        return Outgoing(aim.line + added + lines, added, self._control_terms)

    def _lines(
        self,
        exchange: Exchange,
        aim: Destination,
        *,
        own_cookies: frozenset[bytes],
        hide_authorization: bool,
    ) -> bytes:
        section = exchange.head.section
        lines = strip_request(
            section.fields,
            section.named,
            own_cookies=own_cookies,
            hide_authorization=hide_authorization,
        )
        if section.expects is not None and section.framing != 0:
            lines.append(b"Expect: 100-continue\r\n")
        lines.append(self._forwarded(exchange, aim.canonical.host))
        return b"".join(lines)

    def _forwarded(self, exchange: Exchange, host: str) -> bytes:
        """Return the lines that tell where a request came from (RFC 7239)."""
        address = exchange.peer
        if self._settings.trusted_proxies:
            hops = exchange.head.headers.getall("X-Forwarded-For", ())
            address = client_address(address, hops, self._settings.trusted_proxies)
        node = f'"[{address}]"' if ":" in address else address
        host = f"{host}{self._port}"
        return (
            f"X-Forwarded-For: {address}\r\n"
            f"X-Forwarded-Proto: {self._scheme}\r\n"
            f"X-Forwarded-Host: {host}\r\n"
            f'Forwarded: for={node};proto={self._scheme};host="{host}"\r\n'
            "Via: 1.1 tollway\r\n"
        ).encode()


def entitlement_lines(decision: Decision) -> bytes:
    """Return the lines that tell an app who the client is and what was paid for.

    `X-Entitlement-Features` is a list `name` or `name=value`, percent-encoded where needed.
    """
    if decision.client_id is None:
        return b"X-Entitlement-Status: anonymous\r\n"
    lines = [f"X-Entitlement-Client: {decision.client_id}"]
    held = decision.entitlement
    if held is None:
        lines.append("X-Entitlement-Status: unknown")
        return _encode(lines)
    status = held.status or ("granted" if held.features else "none")
    lines.append(f"X-Entitlement-Status: {status}")
    if held.plan:
        lines.append(f"X-Entitlement-Plan: {quote(held.plan)}")
    if held.features:
        lines.append(f"X-Entitlement-Features: {', '.join(map(_feature, held.features))}")
    if held.valid_until is not None:
        until = held.valid_until.astimezone(UTC).isoformat(timespec="seconds")
        lines.append(f"X-Entitlement-Valid-Until: {until.replace('+00:00', 'Z')}")
    return _encode(lines)


def _encode(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def _feature(item: tuple[str, bool | int | str]) -> str:
    name, value = item
    if value is True:
        return quote(name)
    return f"{quote(name)}={str(value).lower() if value is False else quote(str(value))}"
