"""The app behind every stack, and the decision service that some of them ask: both nginx.

They also keep the peers and us honest. The app answers 418 to a request that lacks what
the stack in front had to leave or to add, and both count what they were asked, so that no
answer can come from anywhere else.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from bench.errors import BenchError
from bench.nginx import run_nginx
from bench.site import Site

PATH = "/v1/items"
"""What is asked for under load."""

MIXED = "/v1/mixed/"
"""Below it, each answer has a field that no other has."""

SEEN = "/v1/seen"
"""Tells as JSON which headers reached the app."""

BODY = json.dumps(
    {
        "items": [
            {"id": number, "name": f"item number {number}", "state": "in stock", "price": 1999}
            for number in range(10)
        ],
        "total": 10,
        "next": "/v1/items?page=2&per_page=10",
    }
)
"""About 790 bytes, as the answer of an API tends to be."""

_HOST = "api.localhost"
_TIMEOUT = aiohttp.ClientTimeout(total=10)

# The same work for every stack: one map with a regular expression, one comparison.
_APP = """\
    map "$http_authorization" $is_plain {{ default 0; "~^Bearer eyJ[^.]+[.][^.]+[.][^.]+$" 1; }}
    map "$http_x_entitlement_status,$http_x_entitlement_plan,\
$http_x_entitlement_client,$http_authorization" $is_gated {{
        default 0; "~^active,api,[0-9a-f-]+,$" 1;
    }}
    server {{
        listen 127.0.0.1:{plain} backlog=4096;
        location = /status {{ stub_status; }}
        location {mixed} {{
            if ($is_plain = 0) {{ return 418; }}
            add_header X-Trace $request_id;
            return 200 '{body}';
        }}
        location / {{ if ($is_plain = 0) {{ return 418; }} return 200 '{body}'; }}
    }}
    server {{
        listen 127.0.0.1:{gated} backlog=4096;
        location = {seen} {{ return 200 '{{"client":"$http_x_entitlement_client",\
"plan":"$http_x_entitlement_plan","status":"$http_x_entitlement_status",\
"features":"$http_x_entitlement_features","decision":"$http_x_entitlement_decision_id",\
"authorization":"$http_authorization"}}'; }}
        location {mixed} {{
            if ($is_gated = 0) {{ return 418; }}
            add_header X-Trace $request_id;
            return 200 '{body}';
        }}
        location / {{ if ($is_gated = 0) {{ return 418; }} return 200 '{body}'; }}
    }}
"""

_DECISION = """\
    map "$http_authorization" $is_known {{ default 0; "~^Bearer eyJ[^.]+[.][^.]+[.][^.]+$" 1; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /status {{ stub_status; }}
        location / {{ if ($is_known = 0) {{ return 401; }} return 200; }}
    }}
"""


@asynccontextmanager
async def run_app(site: Site) -> AsyncIterator[None]:
    """Run the app and the decision service on the load's core while entered.

    Raises:
        BenchError: one of them did not start.
    """
    app = _APP.format(plain=site.app_port, gated=site.gated_port, body=BODY, seen=SEEN, mixed=MIXED)
    decision = _DECISION.format(port=site.decision_port)
    cores = site.cores.load
    async with (
        run_nginx(site, "app", app, site.app_port, cores=cores),
        run_nginx(site, "decision", decision, site.decision_port, cores=cores),
    ):
        yield


async def count_app_requests(site: Site) -> int:
    """Return how many requests the app has been asked so far."""
    return await _count(site.app_port)


async def count_decisions(site: Site) -> int:
    """Return how many decisions the service has been asked for so far."""
    return await _count(site.decision_port)


async def _count(port: int) -> int:
    _, text = await ask(port, "/status", _HOST, None)
    # "server accepts handled requests", and the numbers on the line below.
    try:
        return int(text.splitlines()[2].split()[2])
    except (IndexError, ValueError):
        raise BenchError(f"nginx told no count: {text!r}") from None


async def ask(port: int, path: str, host: str, token: str | None) -> tuple[int, str]:
    """Ask once and return status and body.

    Raises:
        BenchError: nobody answers.
    """
    headers = {"Host": host, "Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(
                f"http://127.0.0.1:{port}{path}", headers=headers, allow_redirects=False
            ) as answer,
        ):
            return answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BenchError(f"port {port} does not answer: {error!r}") from error
