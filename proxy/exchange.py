"""One request and its answer: joins a visitor's connection with an app's, piece by piece.

What the gate decided is carried out here: `answer` says something of our own, `forward`
sends the request to an app and the app's answer back. No piece is kept for longer than the
other side needs to take it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from policies.decision import Decision
from proxy import problems
from proxy.answer import Answer
from proxy.errand import Errand
from proxy.known import Known
from proxy.parties import Keeper, Outgoing, Visitor
from proxy.problems import Problem
from proxy.relay import Relay
from proxy.request import Request
from proxy.tunnel import GOING_AWAY, Tunnel
from proxy.upload import Upload
from proxy.upstreams.connection import UpstreamConnection
from proxy.upstreams.errors import UpstreamError
from proxy.upstreams.upstream import Upstream
from proxy.wire.chunks import Fields
from proxy.wire.frames import allowed_rsv
from proxy.wire.head import RequestHead, ResponseHead

_log = structlog.get_logger("proxy")

_EXTENSIONS: Final = b"sec-websocket-extensions"
_LEFT: Final = 499  # The visitor left before there was an answer (nginx's number).


class Exchange(Request):
    """A request under way."""

    def __init__(
        self,
        visitor: Visitor,
        head: RequestHead,
        known: Known,
        keeper: Keeper,
        peer: str,
    ) -> None:
        super().__init__(head, known, peer, visitor.server_name)
        self.takes_body = False
        self.body_done = not head.framing
        self._upload = None if self.body_done else Upload(head.framing)
        self._visitor = visitor
        self._keeper = keeper
        self._task: asyncio.Task[None] | None = None
        self._errand: Errand | None = None
        self.relay = Relay(visitor, head)
        self._is_old = False

    # What the gate calls.

    def wait_for(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Leave the fast lane: do something that takes time; it ends if the visitor leaves."""
        self._task = asyncio.get_running_loop().create_task(coroutine)
        self._task.add_done_callback(self._on_task_done)

    def answer(self, answer: Answer) -> None:
        """Say something of our own, and end."""
        if self.is_done:
            return
        self.status = answer.status
        self.is_done = True  # What is still read of the upload is thrown away.
        self.relay.closes |= answer.closes or self._visitor.is_last
        self.relay.closes |= not self._visitor.discard_body()
        self.relay.say(answer)
        self._finish()

    def refuse(self, problem: Problem, detail: str | None = None, *, closes: bool = False) -> None:
        """Say that the request has come to nothing, and end."""
        answer = self._keeper.explain(self, problem, detail)
        answer.closes = answer.closes or closes
        self.answer(answer)

    def collect(self, limit: int, seconds: float, then: Callable[[bytes], None]) -> None:
        """Read the upload whole, in bounded space and time, before anything is asked of anybody."""
        if self._upload is None or not self._limit(limit):
            return
        if self.head.section.expects is not None:
            self._visitor.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._upload.collect(then)
        self.takes_body = True
        self._visitor.limit_body(seconds)
        self._visitor.proceed()

    def forward(self, upstream: Upstream, outgoing: Outgoing, body: bytes | None = None) -> None:
        """Send the request to an app unless it was called off; `body` is what was collected."""
        if self.is_done or not self._limit(outgoing.terms.body_limit):
            return
        self._errand = Errand(self, upstream, self.head, outgoing, body)
        self._errand.begin()

    def _limit(self, limit_bytes: int | None) -> bool:
        if self._upload is None or self._upload.limit(limit_bytes):
            return True
        self.refuse(problems.TOO_LARGE, closes=True)
        return False

    def fail(self, error: BaseException) -> None:
        """Tell the log of a mistake of ours, and the visitor that there was one."""
        _log.error("request_failed", request_id=self.request_id, exc_info=error)
        self._break_off(problems.INTERNAL_ERROR)

    # What the visitor's connection calls.

    @property
    def _connection(self) -> UpstreamConnection | None:
        return self._errand.connection if self._errand is not None else None

    def on_upload(self, data: bytes) -> None:
        """Take some of the request's body."""
        if self._upload is None or self.is_done:
            return
        if not self._upload.take(data, self._connection):
            self._break_off(problems.TOO_LARGE)

    def on_upload_end(self, trailers: Fields) -> None:
        """Take note that the request is whole."""
        self.body_done = True
        self.takes_body = False
        if not self.is_done and self._upload is not None:
            self._upload.end(trailers, self._connection)

    def on_upload_failed(self, problem: Problem, why: str | None = None) -> None:
        """The upload is none, or does not come; where it ends is not known."""
        self._break_off(problem, why)

    def on_answer_paused(self, *, is_paused: bool) -> None:
        """Hold the app's answer back, or let it come again."""
        if self._connection is not None:
            self._connection.pause_reading(is_paused=is_paused)

    def check(self) -> None:
        """Take note that it is still there; called now and then."""
        if self._is_old:
            self._keeper.watch(self)
        self._is_old = True

    def on_visitor_left(self) -> None:
        """End what is done for a visitor who is gone."""
        if self.is_done:
            return
        self.status = self.status or _LEFT
        self._drop()
        self._end()

    # What the app's connection calls.

    def on_interim(self, head: ResponseHead) -> None:
        """Pass an interim answer on."""
        if self._errand is not None:
            self.relay.interim(head, self._errand.outgoing.terms.own_cookies)

    def on_head(self, head: ResponseHead) -> None:
        """Pass the answer's head on."""
        errand = self._errand
        if errand is None or errand.connection is None:
            return
        errand.note_answer()
        self.status = head.status
        if not self.body_done or self._visitor.is_last:
            # What is left of an upload could be taken for the next request.
            self.relay.closes = True
        self.relay.head(head, errand.outgoing)
        if self._visitor.is_writing_paused:
            errand.connection.pause_reading(is_paused=True)
        if head.has_events:
            self._keeper.watch(self)

    def on_switch(self, head: ResponseHead, rest: bytes) -> None:
        """Join both connections, if a switch of protocols was asked for."""
        errand = self._errand
        if errand is None or errand.connection is None:
            return
        if not self.head.wants_websocket or head.upgrade != b"websocket":
            self.on_unreachable(UpstreamError("the app switched protocols unasked"))
            return
        self.relay.switch(head, errand.outgoing)
        self.status = head.status
        connection, errand.connection = errand.connection, None
        extensions = b",".join(v for n, v in head.fields if n.lower() == _EXTENSIONS)
        tunnel = Tunnel(allowed_rsv(extensions), self._end)
        connection.hand_over(tunnel.app)
        self._visitor.hand_over(tunnel)
        # A WebSocket may stay for days; of the request only what the log tells is kept.
        self._errand = self._task = None
        if rest:
            tunnel.app.data_received(rest)
        if self._visitor.is_last:
            tunnel.close(GOING_AWAY, "the gateway is going away")
        else:
            self._keeper.watch(self, tunnel)

    def on_body(self, data: bytes) -> None:
        """Pass some of the answer's body on."""
        self.relay.body(data)
        self._end_if_over()

    def on_read(self) -> None:
        """Send what has come."""
        self.relay.flush()

    def on_end(self, trailers: Fields) -> None:
        """Pass the end of the answer on."""
        self._errand = None
        self.relay.end(trailers)
        self._finish()

    def on_failure(self, error: UpstreamError) -> None:
        """Try once more if that can harm nobody; otherwise tell the visitor."""
        if self.status == 0 and self._errand is not None and self._errand.repeat(error):
            return
        self.on_unreachable(error)

    def on_sent(self, *, is_paused: bool) -> None:
        """Let the upload follow the head."""
        self.takes_body = not is_paused
        self._visitor.proceed()

    def on_unreachable(self, error: UpstreamError) -> None:
        """Tell the visitor that the app does not answer."""
        if self.status == 0:
            _log.warning("upstream_failed", request_id=self.request_id, why=str(error))
        self._break_off(problems.of_upstream(error))

    def on_upload_paused(self, *, is_paused: bool) -> None:
        """Hold the upload back, or let it come again."""
        if self.body_done or self.is_done:
            return
        self.takes_body = not is_paused
        if not is_paused:
            self._visitor.proceed()

    # What its stream calls.

    def withdraw(self, decision: Decision) -> None:
        """Refuse the request after all; nothing of an answer has come."""
        self._drop()
        self._keeper.refuse(self, decision)

    def end_events(self) -> bool:
        """End the answer behind the event under way; False if it is none of events."""
        stops = self.relay.stop()
        self._end_if_over()
        return stops

    def cut(self) -> None:
        """Cut an answer that was begun, so that it is not taken for whole."""
        if not self.is_done:
            self._drop()
            self._end()
            self._visitor.abort()

    # How it goes on.

    def _end_if_over(self) -> None:
        if self.relay.is_over:
            self._drop()
            self.relay.end(())
            self._finish()

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    def _break_off(self, problem: Problem, detail: str | None = None) -> None:
        """End with an answer of our own if there is none yet; otherwise cut what was begun."""
        if self.status:
            self.cut()
        elif not self.is_done:
            self._drop()
            self.refuse(problem, detail, closes=not self.body_done)

    def _drop(self) -> None:
        """Let go of the app and of what is waited for."""
        if self._errand is not None:
            self._errand.break_off()
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _finish(self) -> None:
        self._end()
        self._visitor.finish(keep_alive=not self.relay.closes)

    def _end(self) -> None:
        self.is_done = True
        self.takes_body = False
        self._errand = None  # It knows us: only a collection would free either.
        self._keeper.note(self)
        self.stream = None  # As above.
