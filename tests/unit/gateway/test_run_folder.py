"""The run folder: private, found by the configuration's path, and never in a dead one's way."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.errors import StartError
from gateway.run_folder import VARIABLE, RunFolder


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with TemporaryDirectory(prefix="run-") as folder:
        path = Path(folder) / "tollway"
        monkeypatch.setenv(VARIABLE, str(path))
        yield path


def dead_pid() -> int:
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


def test_folder_goes_by_the_files_name_and_not_by_what_it_links_to(
    place: Path, tmp_path: Path
) -> None:
    link = tmp_path / "tollway.yaml"
    link.symlink_to("first.yaml")
    before = RunFolder(link).path
    link.unlink()
    link.symlink_to("second.yaml")

    assert RunFolder(link).path == before
    assert RunFolder(tmp_path / "x" / ".." / "tollway.yaml").path == before
    assert RunFolder(tmp_path / "other.yaml").path != before


def test_nobody_else_may_look_into_it(place: Path, tmp_path: Path) -> None:
    with RunFolder(tmp_path / "tollway.yaml") as folder:
        modes = {path.stat().st_mode & 0o777 for path in (folder.path, place)}

    assert modes == {0o700}


def test_folder_that_others_may_look_into_is_refused(place: Path, tmp_path: Path) -> None:
    place.mkdir(mode=0o755)

    with pytest.raises(StartError, match="others may look into"), RunFolder(tmp_path / "x.yaml"):
        pass


def test_folder_that_is_a_link_of_somebodys_is_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StartError, match="not a folder of ours"), RunFolder(tmp_path / "x.yaml"):
        pass


def test_path_that_no_socket_can_have_is_refused_with_what_to_do(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(place / ("deep" * 30)))

    with pytest.raises(StartError, match=VARIABLE), RunFolder(tmp_path / "x.yaml"):
        pass


def test_what_a_dead_process_left_is_removed_and_what_a_live_one_has_is_kept(
    place: Path, tmp_path: Path
) -> None:
    with RunFolder(tmp_path / "x.yaml") as folder:
        stale = folder.path / f"control-1.{dead_pid()}"
        live = folder.path / f"control-1.{os.getppid()}"
        stale.touch()
        live.touch()

        with RunFolder(tmp_path / "x.yaml"):
            found = (stale.exists(), live.exists())

    assert found == (False, True)


def test_newest_has_the_admin_socket_and_an_older_one_leaves_it_there(
    place: Path, tmp_path: Path
) -> None:
    newest = f"admin.{os.getppid()}"
    with RunFolder(tmp_path / "x.yaml") as older:
        older.own_admin.touch()
        older.take_over()
        before = older.admin.readlink().name
        older.admin.unlink()
        older.admin.symlink_to(newest)

    assert before == f"admin.{os.getpid()}"
    assert older.admin.readlink().name == newest


def test_machine_without_a_temporary_folder_is_told_what_to_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def find_none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", find_none)

    with pytest.raises(StartError, match=f"name a place with {VARIABLE}"):
        RunFolder(tmp_path / "x.yaml")


def test_commands_try_the_newest_process_first_and_then_those_before(
    place: Path, tmp_path: Path
) -> None:
    with RunFolder(tmp_path / "x.yaml") as folder:
        older, newer = folder.path / "admin.1", folder.path / "admin.2"
        for path, at in ((newer, 20), (older, 10)):
            path.touch()
            os.utime(path, (at, at))
        tried = folder.admins

    assert tried == (folder.admin, newer, older)


def test_commands_do_not_speak_to_somebody_elses_folder(place: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    place.symlink_to(tmp_path / "theirs")

    with pytest.raises(StartError, match="is not a folder of ours"):
        assert not RunFolder(tmp_path / "x.yaml").admins
