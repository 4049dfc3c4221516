"""The command line: `python -m demo.sandbox --help`."""

import argparse
import asyncio
import contextlib
import json
import logging
import socket
import sys
from pathlib import Path

from aiohttp import web

from demo.lifetime import watch_for_stop
from demo.sandbox.app import Settings, create_app
from demo.sandbox.catalog import read_catalog

_DRAIN_S = 1.0


def main() -> None:
    """Run the sandbox until it is told to stop."""
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    arguments = _parse()
    try:
        sock = socket.create_server((arguments.host, arguments.port), backlog=256)
        own_url = f"http://{arguments.host}:{sock.getsockname()[1]}"
        settings = Settings(
            data=arguments.data,
            public_url=arguments.public_url or own_url,
            webhook_url=arguments.webhook_url,
            webhook_secret=_read_secret(arguments.webhook_secret_file),
            api_key=_read_secret(arguments.api_key_file),
            catalog=tuple(read_catalog(arguments.catalog)),
        )
    except (OSError, ValueError) as error:
        sys.exit(f"sandbox: {error}")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(settings, sock, own_url, exit_with_stdin=arguments.exit_with_stdin))


async def _run(
    settings: Settings, sock: socket.socket, own_url: str, *, exit_with_stdin: bool
) -> None:
    app = create_app(settings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_DRAIN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        stop = watch_for_stop(exit_with_stdin=exit_with_stdin)
        print(json.dumps({"ready": True, "url": own_url}), flush=True)  # noqa: T201 - the ready line
        await stop.wait()
    finally:
        await runner.cleanup()


def _read_secret(path: Path) -> str:
    secret = path.read_text(encoding="utf-8").strip()
    if not secret:
        # An empty key would let everybody in, and an empty secret sign for everybody.
        raise ValueError(f"{path} is empty")
    return secret


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.sandbox", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--public-url", default="", help="where browsers find it, if elsewhere")
    parser.add_argument("--webhook-url", required=True, help="where events are posted")
    parser.add_argument("--webhook-secret-file", type=Path, required=True)
    parser.add_argument("--api-key-file", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, required=True, help="products and prices")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when stdin ends")
    return parser.parse_args()


if __name__ == "__main__":
    main()
