"""How long a demo program runs: until a signal, or until whoever started it lets go of stdin."""

import asyncio
import contextlib
import os
import signal
import threading

_STDIN = 0
_READ_BYTES = 4096


def watch_for_stop(*, exit_with_stdin: bool) -> asyncio.Event:
    """Return an event set at SIGTERM or SIGINT, and with `exit_with_stdin` at the end of stdin.

    Called before a program says that it is ready: who reads that may send a signal at once.
    The end of stdin is how a child notices that its parent is gone, a parent that was
    killed outright included: the kernel closes the other end of the pipe in every case.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    if exit_with_stdin:
        _watch_stdin(loop, stop)
    return stop


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    def drain() -> None:
        # A read that fails says the same as the end: nobody is there any more.
        with contextlib.suppress(OSError):
            while os.read(_STDIN, _READ_BYTES):
                pass
        # A loop that is closed already needs no telling.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    # A thread, since epoll takes neither files nor /dev/null. It reads the descriptor
    # itself: a daemon thread inside sys.stdin holds a lock that ends the exit in an abort.
    threading.Thread(target=drain, name="stdin-watch", daemon=True).start()
