"""What can go wrong with the embedded servers, in the words that the operator reads."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path


class EmbeddedError(Exception):
    """One line that says what is wrong and what to do; nothing was lost or half made."""


@contextlib.contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Translate what the file system refuses below `folder`.

    Raises:
        EmbeddedError: in place of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise EmbeddedError(_explain(folder, error)) from error


def _explain(folder: Path, error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return (
            f"cannot write to {error.filename or folder} ({error.strerror}); "
            "choose a folder that you may write to with --data DIR"
        )
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full(folder)
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return f"{error.filename or folder} is not a folder; choose another one with --data DIR"
    return (
        f"cannot use the data folder {folder} ({error.strerror}); "
        "choose another one with --data DIR"
    )


def disk_full(folder: Path) -> str:
    """Say that there is no room left on the disk of `folder`."""
    return f"the disk of {folder} is full; make room and start again, nothing stored is lost"
