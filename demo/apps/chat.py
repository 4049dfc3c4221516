"""Chat: what one says, all hear, over WebSocket."""

import asyncio

from aiohttp import WSMsgType, web

from demo.apps.common import Look, create_app, show

_LOOK = Look("chat", "Chat", "Talk, over WebSocket.", 190)
_ROOM = web.AppKey("room", set)
_MESSAGE_CHARS = 2000
_SEND_TIMEOUT_S = 5.0


def create_chat() -> web.Application:
    """Return the application."""
    app = create_app(_LOOK)
    app[_ROOM] = set[web.WebSocketResponse]()
    app.add_routes([web.get("/", _front), web.get("/ws", _talk)])
    app.on_shutdown.append(_close_room)
    return app


async def _front(request: web.Request) -> web.Response:
    return show(request, "chat.html")


async def _talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(heartbeat=30, protocols=("chat",))
    await socket.prepare(request)
    room = request.app[_ROOM]
    room.add(socket)
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await _tell(room, message.data[:_MESSAGE_CHARS])
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
    finally:
        room.discard(socket)
    return socket


async def _tell(room: set[web.WebSocketResponse], text: str) -> None:
    """Tell everybody; who does not listen in time is left behind."""
    for socket in tuple(room):
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await socket.send_str(text)
        except (ConnectionResetError, TimeoutError):
            room.discard(socket)


async def _close_room(app: web.Application) -> None:
    room = app[_ROOM]
    for socket in tuple(room):
        await socket.close(code=1001, message=b"the chat closes")
