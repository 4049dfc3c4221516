"""One line a request, so that every decision can be explained afterwards.

Neither address nor query nor credential is in it.
"""

import time

import structlog

from proxy.exchange import Exchange
from proxy.problems import Problem

_log = structlog.get_logger("proxy")


class AccessLog:
    """Writes the lines."""

    def note(self, exchange: Exchange) -> None:
        """Tell how a request ended."""
        canonical = exchange.canonical
        where = {} if canonical is None else {"host": canonical.host, "path": canonical.path}
        _log.info(
            "request",
            request_id=exchange.request_id,
            method=exchange.head.method,
            status=exchange.status,
            ms=round((time.perf_counter() - exchange.started_s) * 1000, 2),
            **where,
            **exchange.facts,
        )

    def note_unread(self, request_id: str, problem: Problem) -> None:
        """Tell that something came which could not be read as a request."""
        _log.info("request_unreadable", request_id=request_id, status=problem.status)
