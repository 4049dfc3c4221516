"""A private folder for a server's socket, whose path fits into what the kernel takes."""

import contextlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

# struct sockaddr_un holds 108 bytes on Linux and 104 on the BSDs, its final zero included.
_LIMIT_BYTES: Final = 107 if sys.platform == "linux" else 103
_PREFIX: Final = "tollway-"

# asyncpg reads a comma in a host as the start of the next host.
_AWKWARD: Final = ","


@dataclass(frozen=True, slots=True)
class SocketFolder:
    """A folder of mode 0700 that holds sockets; `remove` it when the server is gone."""

    path: Path
    note: Path | None = None

    @classmethod
    def make(cls, run_dir: Path, socket_name: str) -> Self:
        """Make `run_dir`, or a short folder in the system's place if its path is too long.

        The short one is noted in `run_dir`, so that the next start removes what a
        killed one left.
        """
        run_dir = run_dir.absolute()
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        run_dir.chmod(0o700)
        note = run_dir / f"{socket_name}.folder"
        _remove_noted(note)
        if _fits(run_dir / socket_name):
            return cls(run_dir)
        short = Path(tempfile.mkdtemp(prefix=_PREFIX))
        if not _fits(short / socket_name):
            # TMPDIR itself is deep; /tmp is not.
            short.rmdir()
            short = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
        note.write_text(str(short))
        return cls(short, note)

    def remove(self) -> None:
        """Remove the folder if it is a short one; a run folder stays for the next start."""
        if self.note is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            self.note.unlink(missing_ok=True)


def find_sockets(run_dir: Path, socket_name: str) -> Path:
    """Return where the socket of a running server is, if `SocketFolder.make` chose its place."""
    with contextlib.suppress(OSError):
        return Path((run_dir.absolute() / f"{socket_name}.folder").read_text())
    return run_dir.absolute()


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _LIMIT_BYTES and _AWKWARD not in str(path)


def _remove_noted(note: Path) -> None:
    with contextlib.suppress(OSError):
        folder = Path(note.read_text())
        about = folder.lstat()
        if folder.name.startswith(_PREFIX) and about.st_uid == os.geteuid():
            shutil.rmtree(folder, ignore_errors=True)
        note.unlink()
