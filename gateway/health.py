"""Health: is the process alive, can it serve everybody, and what is it made of."""

import asyncio
import platform
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version

import aiohttp
from aiohttp import http_parser, web

from gateway.version import product_version

_CHECK_TIMEOUT_S = 2.0
# Below this, aiohttp's parsers have published holes (CVE-2026-34525, CVE-2026-111750); the
# pure-Python parser accepts what the C parser refuses.
_AIOHTTP_AT_LEAST = (3, 14, 5)

Check = Callable[[], Awaitable[str | None]]
"""Returns what is missing in words, or None when all is well."""


class UnsafeInstallationError(Exception):
    """This Python environment must not face the internet; the message says what to install."""


def check_installation() -> None:
    """Refuse to start on an HTTP parser that is known to be unsafe.

    Raises:
        UnsafeInstallationError: aiohttp is too old, or runs without its C parser.
    """
    found = tuple(int(part) for part in aiohttp.__version__.split(".")[:3] if part.isdigit())
    if found < _AIOHTTP_AT_LEAST:
        wanted = ".".join(map(str, _AIOHTTP_AT_LEAST))
        raise UnsafeInstallationError(
            f"aiohttp {aiohttp.__version__} is too old: install {wanted} or later"
        )
    if not _has_c_parser():
        raise UnsafeInstallationError(
            "aiohttp runs without its C parser: install a wheel of aiohttp for this platform"
        )


class Health:
    """Answers `/healthz`, `/readyz` and `/version`."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    def routes(self) -> list[web.RouteDef]:
        """Return the three routes; none needs a role, and none tells a secret."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/version", self.version),
        ]

    async def healthz(self, _request: web.Request) -> web.Response:
        """Answer 200 while the loop turns."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Answer 200 when every store answers, else 503 naming what is missing."""
        missing = await find_missing(self._checks)
        body = {"ready": not missing, "missing": missing}
        return web.json_response(body, status=503 if missing else 200)

    async def version(self, _request: web.Request) -> web.Response:
        """Tell what runs here."""
        return web.json_response(
            {
                "tollway": product_version(),
                "python": platform.python_version(),
                "aiohttp": aiohttp.__version__,
                "aiohttp_c_parser": _has_c_parser(),
                "stripe": version("stripe"),
            }
        )


async def find_missing(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return what is missing, by the name of its check."""
    found = await asyncio.gather(*map(_run, checks.values()))
    return {name: why for name, why in zip(checks, found, strict=True) if why}


def _has_c_parser() -> bool:
    return http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy


async def _run(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            return await check()
    except TimeoutError:
        return f"no answer within {_CHECK_TIMEOUT_S:g} s"
