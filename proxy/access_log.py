"""One line a request, so that every decision can be explained afterwards.

Neither address nor query nor credential is in it. The lines look like all others of the
log, and are put together by hand: the logging library takes as long for one as the gateway
does for a whole request. They are written some together, at most 50 milliseconds late.
"""

import asyncio
import json
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import structlog

from proxy.exchange import Exchange
from proxy.problems import Problem

_log = structlog.get_logger("proxy")

Sink = Callable[[str], None]
"""Writes whole lines, each with its line feed, to where the log goes."""

_DELAY_S: Final = 0.05
# What is written at once, in characters: little, so that nobody waits for it long.
_AT_ONCE: Final = 3500
# Method, host and path have no character that JSON would escape; names of others may.
_quote = lru_cache(4096)(json.dumps)
_END: Final = '"event": "request", "level": "info", "logger": "proxy", "timestamp": '


class AccessLog:
    """Writes the lines; `close` writes those that still wait."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: list[str] = []
        self._size = 0  # characters that wait
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._second_text = ""

    def note(self, exchange: Exchange) -> None:
        """Tell how a request ended."""
        ms = (time.perf_counter() - exchange.started_s) * 1000
        aim, decision = exchange.destination, exchange.decision
        where = made = ""
        if aim is not None:
            canonical = aim.canonical
            where = f'"host": "{canonical.host}", "path": "{canonical.path}", '
        if decision is not None:
            made = (
                f'"app": {_quote(exchange.app_id)}, "outcome": "{decision.outcome}",'
                f' "reason": "{decision.reason}", "decision_id": "{exchange.decision_id}",'
                f' "client": {_quote(decision.client_id)}, '
            )
        self._add(
            f'{{"request_id": "{exchange.request_id}", "method": {_quote(exchange.head.method)},'
            f' "status": {exchange.status}, "ms": {ms:.2f}, {where}{made}{_END}"{self._now()}"}}\n'
        )

    def note_unread(self, request_id: str, problem: Problem) -> None:
        """Tell that something came which could not be read as a request."""
        self._add(
            f'{{"request_id": "{request_id}", "status": {problem.status},'
            f' "event": "request_unreadable", "level": "info", "logger": "proxy",'
            f' "timestamp": "{self._now()}"}}\n'
        )

    def close(self) -> None:
        """Write what waits, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._waiting, self._size = self._waiting, [], 0
        if not lines:
            return
        try:
            self._sink("".join(lines))
        except Exception:  # noqa: BLE001 - whatever the sink is, requests go on
            # Whoever is being answered must not wait for good because a disk is full.
            _log.exception("access_log_failed", lines=len(lines))

    def _add(self, line: str) -> None:
        self._waiting.append(line)
        self._size += len(line)
        if self._size >= _AT_ONCE:
            self.close()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_DELAY_S, self.close)

    def _now(self) -> str:
        """Return the time in UTC (RFC 3339), as all other lines of the log have it."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second_text}.{int((now - second) * 1_000_000):06}Z"
