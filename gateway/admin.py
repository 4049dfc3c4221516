"""The admin socket: how `tollway reload` and `tollway upgrade` speak to a running `serve`.

One line of JSON each way. Whoever can open the socket may do everything: its folder is
private to the user.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog

from gateway.children import START_LIMIT_S
from gateway.config.faults import ConfigFaults
from gateway.errors import RefusedError, StartError
from gateway.run_folder import RunFolder

_log = structlog.get_logger("gateway.admin")

_QUESTION_S: Final = 5.0
# Beyond a whole start, which an upgrade waits for; nothing that is asked takes longer.
_MARGIN_S: Final = 60.0

Command = Callable[[Mapping[str, object]], Awaitable[str]]
"""Does what was asked and tells what holds now; raises StartError, ConfigFaults or RefusedError."""


@asynccontextmanager
async def answering(folder: RunFolder, commands: Mapping[str, Command]) -> AsyncIterator[None]:
    """Take commands within; a process that had the folder before hears no more of them."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                async with asyncio.timeout(_QUESTION_S):
                    asked = json.loads(await reader.readline())
                is_command = isinstance(asked, dict)
                said = await _obey(commands, asked if is_command else {})
            except (TimeoutError, ValueError):
                said = {"ok": False, "text": "tollway: this is no command"}
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, folder.own_admin)
    folder.take_over()
    try:
        yield
    finally:
        server.close()


async def ask(file: Path, command: str, **details: object) -> str:
    """Ask the process that serves the file; return what it tells.

    Raises:
        StartError: there is none.
        RefusedError: it did not do it.
    """
    reader, writer = await _reach(file)
    try:
        writer.write(json.dumps({"do": command, **details}).encode() + b"\n")
        async with asyncio.timeout(START_LIMIT_S + _MARGIN_S):
            line = await reader.readline()
    except (TimeoutError, ConnectionError):
        line = b""
    finally:
        writer.close()
    if not line:
        raise StartError("the running process gave no answer; its log tells more")
    said = json.loads(line)
    if not said["ok"]:
        raise RefusedError(said["text"])
    return str(said["text"])


async def _reach(file: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    folder = RunFolder(file)
    for path in folder.admins:
        with contextlib.suppress(OSError):  # Left by one that was killed, or that drains.
            return await asyncio.open_unix_connection(path)
    raise StartError(
        f"no `tollway serve -c {file}` of this user is running (nobody answers at"
        f" {folder.admin}): start it first"
    )


async def _obey(
    commands: Mapping[str, Command], asked: Mapping[str, object]
) -> dict[str, bool | str]:
    command = commands.get(str(asked.get("do")))
    if command is None:
        return {"ok": False, "text": f"tollway: {asked.get('do')!r} is not known here"}
    try:
        return {"ok": True, "text": await command(asked)}
    except ConfigFaults as faults:
        return {"ok": False, "text": faults.render()}
    except StartError as error:
        return {"ok": False, "text": f"tollway: {error}"}
    except RefusedError as error:
        return {"ok": False, "text": str(error)}
    except Exception:  # noqa: BLE001 - the top of a command: whoever serves must live on
        _log.exception("command_failed", command=asked.get("do"))
        return {"ok": False, "text": "tollway: it failed in a way nobody foresaw; see the log"}
