"""The run folder: where a running `tollway serve` is found by its configuration file.

It holds the socket that `tollway reload` and `tollway upgrade` speak to, and those of the
control application. It is private to the user, and found from the file's path alone.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.errors import StartError

VARIABLE: Final = "TOLLWAY_RUN"
"""Names another place for run folders, where the temporary folder is not shared."""

# struct sockaddr_un holds 104 bytes on the BSDs, its final zero included; what we put behind
# the place has 45: a folder, `control-`, a number, and a process id.
_LIMIT_BYTES: Final = 58
_NAME_CHARS: Final = 16


class RunFolder:
    """The folder of one configuration file; several processes may use it at once.

    Every file in it names the process that it belongs to, so that what a killed one left
    is found and removed by the next.
    """

    def __init__(self, file: Path) -> None:
        """Find it.

        Raises:
            StartError: there is no place for it.
        """
        self.path = _place() / _name_of(file)
        self._pid = os.getpid()
        self._sockets = 0

    @property
    def admin(self) -> Path:
        """The socket that commands speak to; the newest process has it."""
        return self.path / "admin"

    def __enter__(self) -> Self:
        """Make the folder, and remove what is left of processes that are gone.

        Raises:
            StartError: it cannot be used, or others could look into it.
        """
        if len(os.fsencode(self.path.parent)) > _LIMIT_BYTES:
            raise StartError(
                f"the run folder's path {self.path.parent} is too long for sockets: name a place"
                f" of at most {_LIMIT_BYTES} bytes with {VARIABLE}"
            )
        try:
            for folder in (self.path.parent, self.path):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _check(folder)
            for entry in self.path.iterdir():
                pid = entry.name.rpartition(".")[2]
                if pid.isdigit() and (int(pid) == self._pid or not is_alive(int(pid))):
                    entry.unlink(missing_ok=True)
        except OSError as error:
            raise StartError(
                f"the run folder {self.path} cannot be used ({error.strerror}): name another"
                f" place with {VARIABLE}"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove our own files; the folder stays for the next."""
        with contextlib.suppress(OSError):
            if self.admin.readlink().name == self.own_admin.name:
                self.admin.unlink()
        for entry in self.path.glob(f"*.{self._pid}"):
            entry.unlink(missing_ok=True)

    @property
    def admins(self) -> Sequence[Path]:
        """Where commands may be heard: the newest process first.

        The link alone will not do. It goes with the process that has it, though an older one may
        serve on, and what sweeps old files out of temporary folders takes it, unlike sockets.

        Raises:
            StartError: somebody else made the folder, and could answer in our name.
        """
        with contextlib.suppress(OSError):
            for folder in (self.path.parent, self.path):
                _check(folder)
            known = [(path.lstat().st_mtime_ns, path) for path in self.path.glob("admin.*")]
            return (self.admin, *(path for _, path in sorted(known, reverse=True)))
        return (self.admin,)

    @property
    def own_admin(self) -> Path:
        """The admin socket of this very process."""
        return self.path / f"admin.{self._pid}"

    def take_over(self) -> None:
        """Let commands come to us from now on, whoever had them before."""
        link = self.path / f"link.{self._pid}"
        link.symlink_to(self.own_admin.name)
        link.rename(self.admin)  # At once: a command finds the old or the new, never none.

    def next_control(self) -> Path:
        """Return a path for the next control socket."""
        self._sockets += 1
        return self.path / f"control-{self._sockets}.{self._pid}"


def _place() -> Path:
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).absolute()
    try:
        temporary = tempfile.gettempdir()
    except OSError as error:
        raise StartError(f"there is no temporary folder: name a place with {VARIABLE}") from error
    place = Path(temporary) / f"tollway-{os.geteuid()}"
    if len(os.fsencode(place)) > _LIMIT_BYTES:
        # TMPDIR itself is deep; /tmp is not.
        place = Path("/tmp") / place.name  # noqa: S108 - checked to be ours alone
    return place


def _name_of(file: Path) -> str:
    # By its name, whatever that links to: releases and mounted secrets are links that move.
    return hashlib.sha256(os.fsencode(os.path.abspath(file))).hexdigest()[:_NAME_CHARS]  # noqa: PTH100 - `absolute` keeps `..`


def _check(folder: Path) -> None:
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
        raise StartError(f"{folder} is not a folder of ours: name another place with {VARIABLE}")
    if about.st_mode & 0o077:
        raise StartError(
            f"others may look into {folder}: run `chmod go= {folder}`, or name another place"
            f" with {VARIABLE}"
        )


def is_alive(pid: int) -> bool:
    """Tell whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
