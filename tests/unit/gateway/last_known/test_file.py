"""The last-known file: what was written is read, and nothing else is."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.last_known.file import LIMIT_BYTES, BadFileError, Keys, read_file, write_file
from gateway.last_known.records import KnownName, KnownSession, Record, leased, pack
from tests.support.product import ROOT
from tests.support.snapshots import CLIENT, NOW, make_block, make_grant, make_snapshot

KEYS = Keys.of(b"k" * 32)
HOUR = timedelta(hours=1)
RECORD = Record(
    make_snapshot(make_grant(value=10), make_grant(until_at=None), make_block(), version=7),
    (KnownSession(b"t" * 32, CLIENT, "notes.localhost", NOW + HOUR, NOW),),
    (KnownName(KEYS.hash_name("ann"), CLIENT),),
)

_WRITE_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.last_known.file import write_file

def parts():
    while True:
        yield b"x" * 65536
        print("on", flush=True)

write_file(Path(sys.argv[1]), b"k" * 32, datetime.now(UTC), parts())
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "serve.last-known"
    write_file(path, KEYS.signing, NOW, [pack(RECORD)] * 3)
    return path


def test_what_was_written_is_read(file: Path) -> None:
    contents = read_file(file, KEYS.signing)

    assert contents.written_at == NOW
    assert contents.records == (RECORD,) * 3
    assert file.stat().st_mode & 0o777 == 0o600


def test_name_is_not_in_the_file(file: Path) -> None:
    name = "ann.smith@example.com"
    named = Record(RECORD.snapshot, (), (KnownName(KEYS.hash_name(name), CLIENT),))

    write_file(file, KEYS.signing, NOW, [pack(named)])

    assert b"ann" not in file.read_bytes()


def test_another_secret_signs_and_names_otherwise(file: Path) -> None:
    others = Keys.of(b"o" * 32)

    assert others.hash_name("ann") != KEYS.hash_name("ann")
    with pytest.raises(BadFileError, match="another secret"):
        read_file(file, others.signing)


@given(data=st.data())
def test_file_with_any_byte_changed_is_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("changed") / "file"
    write_file(path, KEYS.signing, NOW, [pack(RECORD)])
    whole = bytearray(path.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)

    with pytest.raises(BadFileError):
        read_file(path, KEYS.signing)


@given(data=st.data())
def test_file_cut_anywhere_is_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "file"
    write_file(path, KEYS.signing, NOW, [pack(RECORD)])
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])

    with pytest.raises(BadFileError):
        read_file(path, KEYS.signing)


def _make_folder(path: Path) -> None:
    path.mkdir()


def _make_pipe(path: Path) -> None:
    os.mkfifo(path)


def _make_endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _make_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [_make_folder, _make_pipe, _make_endless, _make_link])
def test_what_is_no_plain_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "serve.last-known"
    make(path)

    with pytest.raises((BadFileError, OSError)):
        read_file(path, KEYS.signing)


def test_writer_that_is_killed_leaves_the_file_before(file: Path) -> None:
    writing = subprocess.Popen(
        [sys.executable, "-c", _WRITE_FOR_EVER, str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert writing.stdout is not None
    for _ in range(3):
        writing.stdout.readline()
    writing.send_signal(signal.SIGKILL)
    writing.communicate()

    left = file.with_name(f"{file.name}.{writing.pid}")
    assert left.stat().st_size > 0
    assert read_file(file, KEYS.signing).records == (RECORD,) * 3


def test_disk_that_is_full_leaves_the_file_before(file: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield pack(RECORD)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_file(file, KEYS.signing, NOW, parts())

    assert read_file(file, KEYS.signing).records == (RECORD,) * 3
    assert list(file.parent.iterdir()) == [file]


def test_lease_shortens_and_never_lengthens() -> None:
    short, long = leased(RECORD, NOW + HOUR), leased(RECORD, NOW + timedelta(days=9))

    assert [g.until_at for g in short.snapshot.grants] == [NOW + HOUR] * 2
    assert [g.until_at for g in long.snapshot.grants] == [
        NOW + timedelta(days=1),
        NOW + timedelta(days=9),
    ]
    assert [s.until_at for s in short.sessions] == [NOW]
    assert [n.until_at for n in short.names] == [NOW + HOUR]
    assert leased(short, NOW + timedelta(days=9)) == short
    assert short.snapshot.blocks == RECORD.snapshot.blocks


def test_what_lies_in_the_way_of_a_writing_is_not_written_through(file: Path) -> None:
    elsewhere = file.with_name("elsewhere")
    elsewhere.write_text("of somebody")
    file.with_name(f"{file.name}.{os.getpid()}").symlink_to(elsewhere)

    write_file(file, KEYS.signing, NOW, [pack(RECORD)])

    assert elsewhere.read_text() == "of somebody"
    assert read_file(file, KEYS.signing).records == (RECORD,)


def test_no_more_is_written_than_is_read(file: Path) -> None:
    part = bytes(1 << 24)

    size = write_file(file, KEYS.signing, NOW, (part for _ in range(9)))

    assert LIMIT_BYTES - len(part) < size <= LIMIT_BYTES
    with pytest.raises(BadFileError, match="it is signed"):
        read_file(file, KEYS.signing)
