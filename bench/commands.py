"""What the commands that measure share: the way in, and the ways out."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import typer
from rich.console import Console

_T = TypeVar("_T")

_WIDTH_CHARS = 120


def check_platform(name: str) -> None:
    """Refuse where nothing can be measured."""
    if sys.platform != "linux":
        fail(f"{name}: processes are measured in /proc, which only Linux has", 1)


def wide_console() -> Console:
    """Return the terminal, or what stands for one that has room for our tables."""
    console = Console()
    console.width = max(console.width, _WIDTH_CHARS)
    return console


def measured(name: str, measure: Callable[[], Awaitable[_T]]) -> _T:
    """Return what was measured; stopped by a signal, the command of the name ends with 130."""
    try:
        return asyncio.run(_until_signalled(measure))
    except asyncio.CancelledError:
        fail(f"{name}: stopped", 130)


async def _until_signalled(measure: Callable[[], Awaitable[_T]]) -> _T:
    """Measure; the first signal stops everything in order, and later ones cannot disturb that."""
    running = asyncio.ensure_future(measure())
    asked: list[bool] = []

    def stop() -> None:
        if not asked:
            asked.append(running.cancel())

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return await running


def fail(text: str, code: int) -> NoReturn:
    """End with the code, and say why."""
    typer.echo(text, err=True)
    raise typer.Exit(code)
