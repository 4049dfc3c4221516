"""Small uploads, read whole before anything is asked of anybody."""

import asyncio

from aiohttp import web

# A form of a page is there at once, and a webhook within seconds.
_LIMIT_S = 15.0


class BodyTooLargeError(Exception):
    """The upload is longer than what is taken here."""


async def read_whole(request: web.BaseRequest, limit_bytes: int) -> bytes:
    """Return the upload.

    Raises:
        BodyTooLargeError: it is longer than `limit_bytes`.
        TimeoutError: it did not arrive in time.
    """
    if (request.content_length or 0) > limit_bytes:
        raise BodyTooLargeError
    body = bytearray()
    async with asyncio.timeout(_LIMIT_S):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit_bytes:
                raise BodyTooLargeError
    return bytes(body)
