"""Carries out, now and then, what a crash or an outage left undone."""

import asyncio

import structlog

from billing.errors import UnavailableError
from billing.selling.commands import Commands

_log = structlog.get_logger("billing.commands")

# A command is left to its caller for a minute; half of that again is soon enough.
_EVERY_S = 30.0


class CommandJanitor:
    """Resumes pending commands; several janitors may run at once."""

    def __init__(self, commands: Commands, every_s: float = _EVERY_S) -> None:
        self._commands = commands
        self._every_s = every_s
        self._retired = asyncio.Event()

    def retire(self) -> None:
        """End after the round under way."""
        self._retired.set()

    async def run(self) -> None:
        """Work until cancelled or retired; cut off midway, the next round does it again."""
        while not self._retired.is_set():
            try:
                await self._commands.resume()
            except UnavailableError as error:
                _log.warning("commands_postponed", why=str(error))
            except Exception:  # noqa: BLE001 - the top of a task: whoever serves must live on
                _log.exception("commands_failed")
            try:
                async with asyncio.timeout(self._every_s):
                    await self._retired.wait()
            except TimeoutError:
                pass  # Time for another round.
