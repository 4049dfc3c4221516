"""What keeps the place of the control side while the database does not answer.

Visitors of the apps need none of it, and must not wait for it either.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from gateway.control import ControlServer, create_waiting_app
from gateway.errors import StartError
from gateway.health import Check, Health

_log = structlog.get_logger("gateway")

_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 5.0


class Waiting:
    """Answers health, puts everything else off, and tries again until the control side is there.

    `why` is what was in the way the last time, None once nothing is. It is told in the log after
    each try: a wrong URL is not cured by waiting.
    """

    def __init__(
        self,
        socket_path: Path,
        checks: Mapping[str, Check],
        begin: Callable[[], Awaitable[None]],
        why: str,
    ) -> None:
        self.why: str | None = why
        self._begin = begin
        health = Health({**checks, "control": self._tell})
        self._server = ControlServer(create_waiting_app(health), socket_path)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Keep the place, and begin to try.

        Raises:
            OSError: the socket cannot be opened.
        """
        await self._server.start()
        self._task = asyncio.create_task(self._run(), name="waiting for the database")

    async def stop(self) -> None:
        """Give it up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        await self._server.stop()

    async def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while self.why is not None:
            _log.error("control_waits", why=self.why, again_in_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            try:
                await self._begin()
            except StartError as error:
                self.why = str(error)
            except Exception as error:  # noqa: BLE001 - top of a task: nobody else tries again
                _log.exception("control_failed_to_start")
                self.why = f"{type(error).__name__}; the log tells more"
            else:
                self.why = None
        _log.info("control_ready")
        await self._server.stop()

    async def _tell(self) -> str | None:
        return self.why
