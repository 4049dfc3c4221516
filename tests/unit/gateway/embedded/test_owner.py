import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.embedded.errors import EmbeddedError
from gateway.embedded.owner import DataDir


def test_the_folder_is_made_private_with_a_place_for_each(tmp_path: Path) -> None:
    with DataDir(tmp_path / "a" / "data") as data:
        mode = stat.S_IMODE(data.path.stat().st_mode)

        assert mode & 0o066 == 0
        assert {data.postgres.parent, data.valkey.parent, data.run.parent} == {data.path}
        assert (data.path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_second_owner_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with DataDir(tmp_path), pytest.raises(EmbeddedError, match=f"in use by process {os.getpid()}"):
        DataDir(tmp_path).__enter__()


def test_the_lock_is_free_after_the_owner_left(tmp_path: Path) -> None:
    with DataDir(tmp_path):
        pass

    with DataDir(tmp_path) as data:
        assert data.path == tmp_path


def test_a_holder_that_has_not_signed_yet_is_told_without_a_pid(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(EmbeddedError, match="in use by another `tollway up`"):
            DataDir(tmp_path).__enter__()


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with DataDir(tmp_path) as data:
        inode = (data.path / "lock").stat().st_ino
        script = (
            "import os\n"
            "for fd in os.listdir('/proc/self/fd'):\n"
            "    try: print(os.stat(int(fd)).st_ino)\n"
            "    except OSError: pass\n"
        )
        told = subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            close_fds=False,
        )

    assert str(inode) not in told.stdout.split()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(EmbeddedError, match="is not a folder"):
        DataDir(tmp_path / "data").__enter__()


def test_a_folder_that_all_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(EmbeddedError, match="chmod"):
        DataDir(tmp_path).__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)

    with pytest.raises(EmbeddedError, match="belongs to user id 65534"):
        DataDir(tmp_path).__enter__()


_AS_USER = """
import sys
from pathlib import Path
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.owner import DataDir
try:
    DataDir(Path(sys.argv[1])).__enter__()
except EmbeddedError as error:
    print(error)
"""


def test_an_unwritable_folder_is_told_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    if os.geteuid() == 0:
        # Root may write anywhere: ask as another user, whom pytest's folders shut out.
        folder = Path("/usr/tollway-data")
        user: dict[str, object] = {"user": 65534, "group": 65534, "extra_groups": []}
    else:
        tmp_path.chmod(0o500)
        folder = tmp_path / "data"
        user = {}
    told = subprocess.run(
        ["/usr/bin/env", "python3", "-c", _AS_USER, str(folder)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[4],
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        **user,  # type: ignore[call-overload]  # the overloads do not know a dict of these
    )

    assert told.stdout.startswith(f"cannot write to {folder}")
    assert told.stdout.count("\n") == 1
