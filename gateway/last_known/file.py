"""The signed file: written at once or not at all, and refused if anything about it is wrong.

`tollway last known 1`, a line feed, the instant of writing as seconds since 1970, the records, and
an HMAC-SHA256 over all of it. Nothing is read of a file before its HMAC was found right. The key is
made of `secrets.signing_key`, so that who can write into the folder can open no door.
"""

import contextlib
import hmac
import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final

from billing.crypto.keyring import derive_key
from gateway.last_known.records import Record, unpack

# Another form begins otherwise: neither takes the other's files.
_MAGIC: Final = b"tollway last known 1\n"
_WRITTEN: Final = struct.Struct("!d")
_MAC_BYTES: Final = 32
LIMIT_BYTES: Final = 128 * 1024 * 1024
"""Several times what 50,000 clients take: whatever lies there, a start has to take it in."""


class BadFileError(Exception):
    """The file is not one that may be used; the message tells why."""


@dataclass(frozen=True, slots=True)
class Keys:
    """`signing` is for files, `naming` for the names in them."""

    signing: bytes
    naming: bytes

    @classmethod
    def of(cls, secret: bytes) -> "Keys":
        """Make both of the gateway's own secret."""
        return cls(derive_key(secret, "last known"), derive_key(secret, "names"))

    def hash_name(self, external_id: str) -> bytes:
        """Return what stands for a name in the file."""
        return hmac.digest(self.naming, external_id.encode(errors="surrogateescape"), "sha256")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file held."""

    written_at: datetime
    records: tuple[Record, ...]


def write_file(path: Path, key: bytes, written_at: datetime, packed: Iterable[bytes]) -> int:
    """Let the file hold the records, as many as it may have; return its size in bytes.

    It is on disk before it takes the place of the one before: whenever this process or the machine
    dies, one of both is there, whole.

    Raises:
        OSError: it cannot be written; the one before is as it was.
    """
    mac = hmac.new(key, digestmod="sha256")
    new = path.with_name(f"{path.name}.{os.getpid()}")
    # Whatever lies there may be a link to elsewhere, or readable by others.
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    size = 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in chain((_MAGIC, _WRITTEN.pack(written_at.timestamp())), packed):
                if size + len(part) + _MAC_BYTES > LIMIT_BYTES:
                    break
                mac.update(part)
                size += file.write(part)
            size += file.write(mac.digest())
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    return size


def read_file(path: Path, key: bytes) -> Contents:
    """Return what the file holds.

    Raises:
        BadFileError: it is none of ours, was changed, or is of another form.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LIMIT_BYTES:
            raise BadFileError("it is no file of ours: no plain file, or too large for one")
        data = file.read(LIMIT_BYTES)
    if not data.startswith(_MAGIC):
        raise BadFileError("it is no file of ours, or of another version")
    whole = memoryview(data)
    if len(whole) < len(_MAGIC) + _WRITTEN.size + _MAC_BYTES:
        raise BadFileError("it is cut short")
    signed, mac = whole[:-_MAC_BYTES], whole[-_MAC_BYTES:]
    if not hmac.compare_digest(hmac.digest(key, signed, "sha256"), mac):
        raise BadFileError("it was changed or cut short, or signed with another secret")
    try:
        (seconds,) = _WRITTEN.unpack_from(signed, len(_MAGIC))
        records = tuple(unpack(signed[len(_MAGIC) + _WRITTEN.size :]))
        return Contents(datetime.fromtimestamp(seconds, UTC), records)
    except (ValueError, OverflowError, OSError) as error:
        raise BadFileError("it is signed, and cannot be read") from error
