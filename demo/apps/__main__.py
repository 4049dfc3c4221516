"""The command line: `python -m demo.apps` starts all ten and prints their URLs as one JSON line."""

import argparse
import asyncio
import contextlib
import json
import socket

from aiohttp import web

from demo.apps.api import create_api
from demo.apps.chat import create_chat
from demo.apps.feed import create_feed
from demo.apps.files import create_files
from demo.apps.pages import create_pages
from demo.lifetime import watch_for_stop

_DRAIN_S = 0.5


def main() -> None:
    """Run the ten apps until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m demo.apps", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port-base", type=int, default=0, help="first port; 0 takes free ones")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when stdin ends")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))


async def _run(arguments: argparse.Namespace) -> None:
    apps = create_pages() | {
        "chat": create_chat(),
        "feed": create_feed(),
        "files": create_files(),
        "api": create_api(),
    }
    async with contextlib.AsyncExitStack() as stack:
        urls = {}
        for number, (name, app) in enumerate(apps.items()):
            port = arguments.port_base + number if arguments.port_base else 0
            sock = socket.create_server((arguments.host, port), backlog=256)
            runner = web.AppRunner(
                app, access_log=None, shutdown_timeout=_DRAIN_S, handler_cancellation=True
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, sock).start()
            urls[name] = f"http://{arguments.host}:{sock.getsockname()[1]}"
        stop = watch_for_stop(exit_with_stdin=arguments.exit_with_stdin)
        print(json.dumps({"ready": True, "urls": urls}), flush=True)  # noqa: T201 - the ready line
        await stop.wait()


if __name__ == "__main__":
    main()
