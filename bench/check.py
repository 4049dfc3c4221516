"""Is the answer right? Before, while and after it is measured, so that no wrong one can win."""

import json
from dataclasses import dataclass

from bench.app import BODY, PATH, SEEN, ask, count_app_requests, count_decisions
from bench.errors import BenchError
from bench.site import Site
from bench.stacks.stack import Listening, Stack
from bench.wrk import CONNECTIONS, Counted

_REFUSALS = frozenset({401, 402, 403})


@dataclass(frozen=True, slots=True)
class Counts:
    """What app and decision service have been asked so far."""

    app: int
    decisions: int


async def check_answers(site: Site, stack: Stack, where: Listening) -> None:
    """Ask for what is measured, and see that a request without the token is refused.

    Raises:
        BenchError: an answer is wrong.
    """
    status, body = await ask(where.port, PATH, where.host, site.token)
    if (status, body) != (200, BODY):
        raise BenchError(f"{stack.title} answers wrongly: {status} {body[:200]!r}")
    if where.refuses:
        status, _ = await ask(where.port, PATH, where.host, None)
        if status not in _REFUSALS:
            raise BenchError(f"{stack.title} lets a request without a token pass: {status}")


async def check_gated(site: Site, where: Listening) -> None:
    """See that what the app is told about the client is what was written.

    Raises:
        BenchError: it is not.
    """
    _, text = await ask(where.port, SEEN, where.host, site.token)
    try:
        seen = json.loads(text)
    except ValueError:
        raise BenchError(f"Tollway did not lead to the app: {text[:200]!r}") from None
    told = {name: seen.get(name) for name in ("status", "plan", "authorization")}
    wanted = {"status": "active", "plan": "api", "authorization": ""}
    has_more = all(seen.get(name) for name in ("client", "decision", "features"))
    if told != wanted or not has_more:
        raise BenchError(f"the app was told wrong facts: {seen}")


async def count(site: Site) -> Counts:
    """Return what app and decision service have been asked so far."""
    return Counts(await count_app_requests(site), await count_decisions(site))


def check_counted(
    stack: Stack, counted: Counted, before: Counts, after: Counts, *, asks: bool
) -> None:
    """See that every answer was right and came from the app.

    The app refuses a request that lacks what it has to carry, so a status is proof.

    Raises:
        BenchError: an answer was wrong, or came from elsewhere.
    """
    if counted.refused or counted.broken:
        raise BenchError(
            f"{stack.title}: {counted.refused} wrong answers and {counted.broken} broken"
            f" connections among {counted.requests} requests"
        )
    if counted.read_bytes < counted.requests * len(BODY):
        raise BenchError(f"{stack.title}: {counted.read_bytes:.0f} bytes are too few")
    asked = after.app - before.app
    if asked < counted.requests:
        raise BenchError(f"{stack.title}: the app saw {asked} of {counted.requests} requests")
    decided = after.decisions - before.decisions
    if asks and decided + CONNECTIONS < counted.requests:
        raise BenchError(f"{stack.title}: {decided} decisions for {counted.requests} requests")
