"""The data folder and its lock: one of us at a time, and the kernel keeps the count."""

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.embedded.errors import EmbeddedError, translated


class DataDir:
    """The folder that holds everything `tollway up` keeps, ours alone while entered.

    The lock is the kernel's (flock), so it is free the moment its holder is gone, SIGKILL
    included. The descriptor is closed in every program we start; a fork without exec
    would share it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock = -1

    @property
    def postgres(self) -> Path:
        """Where the Postgres cluster lies."""
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        """Where Valkey keeps its log."""
        return self.path / "valkey"

    @property
    def run(self) -> Path:
        """Where the sockets are; nobody needs anything in it after a run."""
        return self.path / "run"

    @property
    def port(self) -> Path:
        """Where the port is noted that visitors were last served on."""
        return self.run / "port"

    @property
    def sandbox_url(self) -> Path:
        """Where it is noted under which URL the payment sandbox was last reached."""
        return self.run / "sandbox-url"

    def __enter__(self) -> Self:
        """Make the folder if there is none and take its lock.

        Raises:
            EmbeddedError: it cannot be used, or somebody else holds it.
        """
        with translated(self.path):
            # With root as its owner, others may pass through but not look: an
            # unprivileged Postgres must reach its own folder below.
            mode = 0o711 if os.geteuid() == 0 else 0o700
            self.path.mkdir(mode=mode, parents=True, exist_ok=True)
            _check_mode(self.path)
            descriptor = os.open(
                self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            try:
                self._take(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            self._lock = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the lock; the file stays, since removing it would race with the next taker."""
        os.close(self._lock)
        self._lock = -1

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedError(
                f"{self.path} is in use by {_holder(descriptor)}; "
                "stop that one first, or choose another folder with --data DIR"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _check_mode(path: Path) -> None:
    about = path.stat()
    us = os.geteuid()
    if about.st_uid != us:
        raise EmbeddedError(
            f"{path} belongs to user id {about.st_uid}, but we run as {us}; "
            "run as its owner, or choose another folder with --data DIR"
        )
    if about.st_mode & stat.S_IWOTH:
        raise EmbeddedError(
            f"everybody may write to {path}, so it is no place for payments; "
            f"run `chmod go-w {path}`, or choose another folder with --data DIR"
        )


def _holder(descriptor: int) -> str:
    """Name the process in the lock; for a moment after the lock was taken there is none."""
    with contextlib.suppress(OSError, ValueError):
        return f"process {int(os.pread(descriptor, 32, 0))} (another `tollway up`)"
    return "another `tollway up`"
