"""Answers of our own: redirects for people, problem documents (RFC 9457) for programs.

Every one of them depends on who asked, so none may be kept by a cache.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from multidict import CIMultiDictProxy

from policies.decision import Decision, Outcome, Reason
from policies.requirement import Requirement
from policies.return_url import MAX_TARGET_CHARS, ReturnTarget, fingerprint, sign_target
from proxy import problems
from proxy.answer import Answer
from proxy.canonical import CanonicalRequest, parse_origin
from proxy.cookies import read_cookies
from proxy.navigation import is_navigation
from proxy.page import PAGE_HEADERS, render_page
from proxy.ports import Clock
from proxy.problems import Problem
from proxy.routing import RouteTable
from proxy.settings import ProxySettings

_RETRY_AFTER_S = 2
# Of WebSockets: the status that a request would get, in the range that is free for all
# (RFC 6455 section 7.4.2); 1013 is "try again later" (IANA's registry).
_CLOSE_CODES = {Outcome.SIGN_IN: 4401, Outcome.UNAVAILABLE: 1013}
_NOT_ENTITLED = 4402


@dataclass(frozen=True, slots=True)
class Asked:
    """What a refusal has to know of the request that it answers."""

    request_id: str
    headers: CIMultiDictProxy[str]
    canonical: CanonicalRequest | None = None


class Responder:
    """Turns refusals into HTTP. The one place of `proxy` where a status is chosen."""

    def __init__(self, settings: ProxySettings, table: RouteTable, wall: Clock) -> None:
        self._settings = settings
        self._table = table
        self._wall = wall

    def problem(
        self,
        asked: Asked,
        problem: Problem,
        detail: str | None = None,
        *,
        facts: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Answer:
        """Answer a program with a problem document with `facts`, and a person with a page."""
        if _is_navigation(asked):
            return self._page(asked, problem, facts or {}, fields or {})
        document = {
            "type": f"{self._settings.public_url}/problems/{problem.name}",
            "title": problem.title,
            "status": problem.status,
            **({"detail": detail} if detail else {}),
            "request_id": asked.request_id,
            **(facts or {}),
        }
        return self._mark(
            Answer(
                problem.status,
                {**(fields or {}), "Content-Type": "application/problem+json"},
                json.dumps(document).encode() + b"\n",
            ),
            asked,
        )

    def _page(
        self, asked: Asked, problem: Problem, facts: Mapping[str, str], fields: Mapping[str, str]
    ) -> Answer:
        told = {"Request": asked.request_id}
        if "decision_id" in facts:
            told["Decision"] = facts["decision_id"]
        return self._mark(
            Answer(
                problem.status,
                {**fields, **PAGE_HEADERS, "Content-Type": "text/html; charset=utf-8"},
                render_page(problem, self._settings.public_url, told).encode(),
            ),
            asked,
        )

    def refuse(
        self, asked: Asked, requirement: Requirement, decision: Decision, decision_id: str
    ) -> Answer:
        """Answer a decision that does not allow.

        Raises:
            ValueError: the decision allows, which is not for this class to carry out.
        """
        facts = {"reason": decision.reason.value, "decision_id": decision_id}
        match decision.outcome:
            case Outcome.SIGN_IN:
                return self._sign_in(asked, requirement, decision, facts)
            case Outcome.PAY:
                return self._pay(asked, requirement, decision, facts)
            case Outcome.FORBID:
                return self.problem(asked, problems.FORBIDDEN, decision.detail, facts=facts)
            case Outcome.UNAVAILABLE:
                retry = {"Retry-After": str(_RETRY_AFTER_S)}
                return self.problem(asked, problems.UNAVAILABLE, facts=facts, fields=retry)
            case Outcome.ALLOW:
                raise ValueError("an allowed request is forwarded, not refused")

    def _sign_in(
        self, asked: Asked, requirement: Requirement, decision: Decision, facts: dict[str, str]
    ) -> Answer:
        if decision.reason is Reason.BAD_CREDENTIAL:
            fields = {"WWW-Authenticate": 'Bearer realm="tollway", error="invalid_token"'}
            return self.problem(
                asked, problems.BAD_CREDENTIAL, decision.detail, facts=facts, fields=fields
            )
        if not _is_navigation(asked):
            checkout_url = self._link("checkout", asked, requirement, decision, target="/")
            return self.problem(
                asked,
                problems.NOT_SIGNED_IN,
                facts={**facts, "checkout_url": checkout_url},
                fields={"WWW-Authenticate": 'Bearer realm="tollway"'},
            )
        flow, is_new = self._flow(asked)
        answer = self._redirect(
            asked, self._link("sign-in", asked, requirement, decision, browser=fingerprint(flow))
        )
        if is_new:
            secure = "; Secure" if self._settings.is_secure else ""
            answer.fields["Set-Cookie"] = (
                f"{self._settings.flow_cookie}={flow}; Max-Age={self._settings.target_ttl_s};"
                f" Path=/; HttpOnly{secure}; SameSite=Lax"
            )
        return answer

    def _pay(
        self, asked: Asked, requirement: Requirement, decision: Decision, facts: dict[str, str]
    ) -> Answer:
        if _is_navigation(asked):
            flow, _ = self._flow(asked)
            return self._redirect(
                asked,
                self._link("checkout", asked, requirement, decision, browser=fingerprint(flow)),
            )
        checkout_url = self._link("checkout", asked, requirement, decision, target="/")
        return self.problem(
            asked,
            problems.PAYMENT_REQUIRED,
            f"{requirement.app_id} needs a plan with the feature {requirement.feature!r}",
            facts={**facts, "checkout_url": checkout_url},
            fields={"Link": f'<{checkout_url}>; rel="payment"'},
        )

    def _redirect(self, asked: Asked, location: str) -> Answer:
        # 303: the browser fetches the page with GET, and no cache keeps the way to it.
        return self._mark(Answer(303, {"Location": location}), asked)

    def _link(
        self,
        page: str,
        asked: Asked,
        requirement: Requirement,
        decision: Decision,
        *,
        target: str | None = None,
        browser: str = "",
    ) -> str:
        canonical = asked.canonical
        if canonical is None:
            raise ValueError("only a request that was understood can come back")
        # As browsers read it: a raw backslash could be taken for the start of another host.
        wanted = canonical.target.replace("\\", "%5C") if target is None else target
        signed = sign_target(
            ReturnTarget(
                host=canonical.host,
                target=wanted if len(wanted) <= MAX_TARGET_CHARS else "/",
                app_id=requirement.app_id,
                feature=requirement.feature,
                client_id=decision.client_id or "",
                browser=browser,
            ),
            self._settings.signing_key,
            self._wall() + timedelta(seconds=self._settings.target_ttl_s),
        )
        return f"{self._settings.public_url}/{page}?to={quote(signed)}"

    def _flow(self, asked: Asked) -> tuple[str, bool]:
        """Return the browser's flow cookie, a new one if it has none; tabs share it."""
        held = read_cookies(asked.headers, self._settings.flow_cookie)
        return (held[0], False) if held and held[0] else (secrets.token_urlsafe(24), True)

    def _mark(self, answer: Answer, asked: Asked) -> Answer:
        fields = answer.fields
        fields["Cache-Control"] = "no-store"
        fields["Vary"] = "Accept, Authorization, Cookie, Origin, Sec-Fetch-Mode"
        fields["X-Request-Id"] = asked.request_id
        fields["Server"] = "tollway"
        origin = asked.headers.get("Origin")
        if origin is None:
            return answer
        # A page of another app of ours may read why it was refused, with its cookies; a
        # stranger's page only what is told to everybody without any.
        if self._is_ours(origin):
            fields["Access-Control-Allow-Origin"] = origin
            fields["Access-Control-Allow-Credentials"] = "true"
            fields["Access-Control-Expose-Headers"] = "Link, WWW-Authenticate, X-Request-Id"
        else:
            fields["Access-Control-Allow-Origin"] = "*"
        return answer

    def _is_ours(self, origin: str) -> bool:
        host = parse_origin(origin)
        return host is not None and self._table.find_app(host) is not None


def close_code_of(decision: Decision) -> int:
    """Return the close code for a WebSocket that may not stay open.

    Whoever is barred gets 4402 too: for a page it is the same, and the reason tells them apart.
    """
    return _CLOSE_CODES.get(decision.outcome, _NOT_ENTITLED)


def _is_navigation(asked: Asked) -> bool:
    return asked.canonical is not None and is_navigation(asked.canonical.method, asked.headers)
