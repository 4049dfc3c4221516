"""WebSockets through the gateway: two connections, every message passed on as it comes.

The app's side is opened first, so that the visitor's handshake succeeds only if the
app's did (RFC 6455, section 4).
"""

import asyncio
from typing import Any

import aiohttp
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from policies.identity import Client, Identity
from proxy.canonical import CanonicalRequest, parse_origin
from proxy.headers import fold
from proxy.navigation import is_upgrade
from proxy.upstream import Outgoing, Upstream, UpstreamError, UpstreamTimeoutError

# Larger messages close the connection with 1009; a chat needs kilobytes.
_MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
# aiohttp's client makes these itself for its own handshake.
_HANDSHAKE = ("sec-websocket-",)
# Codes that an endpoint may put into a close frame (RFC 6455, section 7.4.1).
_NEVER_SENT = frozenset({1005, 1006, 1015})

Leg = web.WebSocketResponse | aiohttp.ClientWebSocketResponse[Any]  # text or bytes, as decoded


def is_foreign_websocket(
    request: web.BaseRequest, canonical: CanonicalRequest, identity: Identity
) -> bool:
    """Tell whether a foreign page opens a WebSocket with its visitor's cookie.

    Browsers send cookies with it and ask for no permission first (cross-site WebSocket
    hijacking, RFC 6455 section 10.2).
    """
    if not (isinstance(identity, Client) and identity.method == "session"):
        return False
    if not is_upgrade(canonical.method, request.headers):
        return False
    origin = request.headers.get("Origin")
    return origin is not None and parse_origin(origin) != canonical.host


async def forward_websocket(
    request: web.BaseRequest, outgoing: Outgoing, upstream: Upstream
) -> web.StreamResponse:
    """Join the visitor and the app until one of them closes.

    Raises:
        UpstreamError: the app refused the handshake or could not be reached.
    """
    protocols = _protocols(request)
    try:
        async with asyncio.timeout(upstream.first_byte_timeout_s):
            connected = await _connect(outgoing, upstream, protocols)
    except TimeoutError as error:
        raise UpstreamTimeoutError("no handshake in time") from error
    async with connected as app_leg:
        chosen = [app_leg.protocol] if app_leg.protocol else []
        visitor_leg = web.WebSocketResponse(
            autoping=False,
            autoclose=False,
            protocols=chosen,
            compress=False,
            max_msg_size=_MESSAGE_LIMIT_BYTES,
        )
        await visitor_leg.prepare(request)
        try:
            await _join(visitor_leg, app_leg)
        finally:
            # A visitor whose connection is lost cancels us; a joined leg is closed already.
            await app_leg.close(code=WSCloseCode.GOING_AWAY)
    return visitor_leg


async def _connect(
    outgoing: Outgoing, upstream: Upstream, protocols: list[str]
) -> aiohttp.ClientWebSocketResponse[Any]:
    for name in [n for n in outgoing.headers if fold(n).startswith(_HANDSHAKE)]:
        outgoing.headers.popall(name, None)
    refused: Exception = UpstreamError("no server")
    for url in upstream.urls(outgoing.target):
        try:
            return await upstream.session.ws_connect(
                url,
                headers=outgoing.headers,
                protocols=protocols,
                autoping=False,
                autoclose=False,
                compress=0,
                max_msg_size=_MESSAGE_LIMIT_BYTES,
            )
        except aiohttp.ClientConnectorError as error:
            refused = error
        except aiohttp.WSServerHandshakeError as error:
            raise UpstreamError(f"handshake answered with {error.status}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamError(str(error) or type(error).__name__) from error
    raise UpstreamError(str(refused)) from refused


async def _join(visitor_leg: Leg, app_leg: Leg) -> None:
    """Copy both ways; the first side that ends tells the other, and ends it."""
    async with asyncio.TaskGroup() as tasks:
        to_app = tasks.create_task(_copy(visitor_leg, app_leg, WSCloseCode.GOING_AWAY))
        to_visitor = tasks.create_task(_copy(app_leg, visitor_leg, WSCloseCode.INTERNAL_ERROR))
        await asyncio.wait((to_app, to_visitor), return_when=asyncio.FIRST_COMPLETED)
        to_app.cancel()
        to_visitor.cancel()


async def _copy(source: Leg, sink: Leg, lost: WSCloseCode) -> None:
    """Pass messages on until `source` closes; `lost` is told if it does so without a word."""
    while True:
        message: WSMessage = await source.receive()
        try:
            if not await _pass_on(message, sink):
                code, reason = _close_of(message, lost)
                await sink.close(code=code, message=reason)
                if message.type is WSMsgType.CLOSE:
                    await source.close(code=code, message=reason)
                return
        except (ConnectionResetError, aiohttp.ClientError):
            return  # The other side is gone: its own reader sees that, and ends us.


async def _pass_on(message: WSMessage, sink: Leg) -> bool:
    match message.type:
        case WSMsgType.TEXT:
            await sink.send_str(message.data)
        case WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        case WSMsgType.PING:
            await sink.ping(message.data)
        case WSMsgType.PONG:
            await sink.pong(message.data)
        case _:
            return False
    return True


def _close_of(message: WSMessage, lost: WSCloseCode) -> tuple[int, bytes]:
    """Return code and reason to close the other side with."""
    if message.type is not WSMsgType.CLOSE:
        return lost, b""
    if message.data in _NEVER_SENT or not message.data:
        return WSCloseCode.OK, b""
    return int(message.data), str(message.extra or "").encode()


def _protocols(request: web.BaseRequest) -> list[str]:
    values = request.headers.getall("Sec-WebSocket-Protocol", ())
    return [p.strip() for value in values for p in value.split(",") if p.strip()]
