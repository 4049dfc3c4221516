"""Carries an allowed request to an app, and the app's answer back, byte for byte, unbuffered."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import cycle

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from proxy.headers import strip_response
from proxy.settings import App, ProxySettings

# What aiohttp's client would add on its own; an app has to see what the visitor sent.
_NOT_OURS = frozenset({"Accept", "Accept-Encoding", "Content-Type", "User-Agent"})


class UpstreamError(Exception):
    """The app could not be reached, or broke off before it answered."""


class UpstreamTimeoutError(UpstreamError):
    """The app stayed silent for too long."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as the app shall see it; `target` is path and query, already canonical."""

    method: str
    target: str
    headers: CIMultiDict[str]


class Upstream:
    """One destination: the servers of an app, in turns, or the control process.

    A server that cannot be connected to is passed over; since nothing was sent to it,
    that is safe for every method.
    """

    def __init__(
        self,
        origins: tuple[str, ...],
        settings: ProxySettings,
        connector: aiohttp.BaseConnector,
    ) -> None:
        self._origins = tuple(URL(origin) for origin in origins)
        self._turn = cycle(range(len(origins)))
        self._settings = settings
        self.session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            skip_auto_headers=_NOT_OURS,
            # An app's cookies belong to its visitors, never to us.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=settings.connect_timeout_s,
                sock_read=settings.idle_timeout_s,
            ),
        )

    async def close(self) -> None:
        """Close every connection to the destination."""
        await self.session.close()

    def urls(self, target: str) -> list[URL]:
        """Return the target at each server, beginning with the one whose turn it is."""
        first = next(self._turn)
        order = self._origins[first:] + self._origins[:first]
        return [URL(f"{origin.origin()}{target}", encoded=True) for origin in order]

    @property
    def first_byte_timeout_s(self) -> float:
        """How long an app may take to begin its answer."""
        return self._settings.first_byte_timeout_s

    async def forward(
        self,
        request: web.BaseRequest,
        outgoing: Outgoing,
        added: CIMultiDict[str],
        body: bytes | None = None,
    ) -> web.StreamResponse:
        """Send the request and stream the answer to the visitor, with `added` fields.

        `body` is the visitor's upload where it was read before; it is streamed otherwise.

        Raises:
            UpstreamError: there was no answer; nothing has been sent to the visitor.
            ConnectionResetError: the visitor has left.
        """
        reply = await self._open(request, outgoing, body)
        try:
            return await self._relay(request, reply, added)
        finally:
            # Back to the pool if it was read to its end, closed if not.
            reply.release() if reply.content.at_eof() else reply.close()

    async def _open(
        self, request: web.BaseRequest, outgoing: Outgoing, body: bytes | None
    ) -> aiohttp.ClientResponse:
        limit_s = self._settings.first_byte_timeout_s
        for url in self.urls(outgoing.target):
            try:
                async with asyncio.timeout(limit_s) as limit:
                    return await self.session.request(
                        outgoing.method,
                        url,
                        headers=outgoing.headers,
                        data=_stream(request, limit, limit_s) if body is None else body,
                        allow_redirects=False,
                    )
            except aiohttp.ClientConnectorError as error:
                refused: Exception = error
            except TimeoutError as error:
                raise UpstreamTimeoutError(f"no answer within {limit_s} s") from error
            except (aiohttp.ClientError, ValueError) as error:
                raise UpstreamError(str(error) or type(error).__name__) from error
        raise UpstreamError(str(refused)) from refused

    async def _relay(
        self,
        request: web.BaseRequest,
        reply: aiohttp.ClientResponse,
        added: CIMultiDict[str],
    ) -> web.StreamResponse:
        headers = strip_response(reply.headers)
        headers.extend(added)
        answer = web.StreamResponse(status=reply.status, reason=reply.reason, headers=headers)
        if not request.content.at_eof():
            # An answer before the end of the upload: what is left unread could be taken
            # for the next request.
            answer.force_close()
        await answer.prepare(request)
        try:
            async for chunk in reply.content.iter_any():
                await answer.write(chunk)
        except (aiohttp.ClientError, TimeoutError):
            # The app broke off in the middle. The visitor must not take what came for
            # the whole: cut the connection, so that the framing stays unfinished.
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the app broke off its answer") from None
        await answer.write_eof()
        return answer


def _stream(
    request: web.BaseRequest, limit: asyncio.Timeout, limit_s: float
) -> AsyncIterator[bytes] | None:
    return _body(request, limit, limit_s) if request.body_exists else None


async def _body(
    request: web.BaseRequest, limit: asyncio.Timeout, limit_s: float
) -> AsyncIterator[bytes]:
    """Yield the visitor's upload; the app's time to answer begins anew with every chunk."""
    loop = asyncio.get_running_loop()
    async for chunk in request.content.iter_any():
        if not limit.expired():
            limit.reschedule(loop.time() + limit_s)
        yield chunk


def upstream_of(app: App, settings: ProxySettings) -> Upstream:
    """Return the destination of an app's requests, with a bounded pool of connections."""
    connector = aiohttp.TCPConnector(limit=settings.upstream_connections, ttl_dns_cache=30)
    return Upstream(app.upstreams, settings, connector)


def control_upstream(socket_path: str, settings: ProxySettings) -> Upstream:
    """Return the control process: the gateway's own pages, behind a private socket."""
    connector = aiohttp.UnixConnector(socket_path, limit=settings.upstream_connections)
    return Upstream(("http://control",), settings, connector)
