"""Files: large bodies up and down, in flat memory."""

import hashlib

from aiohttp import web

from demo.apps.common import Look, create_app, show

_LOOK = Look("files", "Files", "Large files, up and down.", 240)
_SIZES = (1_000, 1_000_000, 100_000_000)
_LIMIT_BYTES = 10_000_000_000
_CHUNK = bytes(range(256)) * 256  # 64 KiB, in which the byte at n is n modulo 256.


def create_files() -> web.Application:
    """Return the application."""
    app = create_app(_LOOK)
    app.add_routes(
        [
            web.get("/", _front),
            web.get(r"/files/{size:\d{1,11}}", _download),
            web.post("/upload", _upload),
        ]
    )
    return app


async def _front(request: web.Request) -> web.Response:
    return show(request, "files.html", sizes=_SIZES)


async def _download(request: web.Request) -> web.StreamResponse:
    """Stream as many bytes as asked for, or a range of them (RFC 9110, section 14)."""
    size = int(request.match_info["size"])
    if size > _LIMIT_BYTES:
        raise web.HTTPNotFound
    is_part = "Range" in request.headers
    try:
        start, end, _ = request.http_range.indices(size)
    except ValueError:
        # A range that is none is not there (RFC 9110, section 14.2).
        start, end, is_part = 0, size, False
    if is_part and start >= end:
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(end - start),
        "Accept-Ranges": "bytes",
    }
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    answer = web.StreamResponse(status=206 if is_part else 200, headers=headers)
    await answer.prepare(request)
    at = start
    while at < end and request.method != "HEAD":
        offset = at % 256
        piece = _CHUNK[offset : offset + min(end - at, len(_CHUNK) - offset)]
        await answer.write(piece)
        at += len(piece)
    return answer


async def _upload(request: web.Request) -> web.Response:
    digest, count = hashlib.sha256(), 0
    async for chunk in request.content.iter_any():
        digest.update(chunk)
        count += len(chunk)
    return web.json_response({"bytes": count, "sha256": digest.hexdigest()})
