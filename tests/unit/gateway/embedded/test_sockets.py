import stat
import tempfile
from pathlib import Path

import pytest

from gateway.embedded.sockets import SocketFolder

_NAME = "a.sock"


def test_a_run_folder_is_private_and_stays(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "run"

    folder = SocketFolder.make(run, _NAME)
    folder.remove()

    assert folder.path == run
    assert stat.S_IMODE(run.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["x" * 100, "a,b"])
def test_a_path_that_no_socket_may_have_gets_a_short_folder(tmp_path: Path, name: str) -> None:
    folder = SocketFolder.make(tmp_path / name, _NAME)

    assert len(str(folder.path / _NAME)) <= 103
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    folder.remove()
    assert not folder.path.exists()
    assert not list((tmp_path / name).iterdir())


def test_the_short_folder_of_a_killed_run_is_removed_by_the_next(tmp_path: Path) -> None:
    run = tmp_path / ("x" * 100)
    left = SocketFolder.make(run, _NAME)

    folder = SocketFolder.make(run, _NAME)

    assert not left.path.exists()
    assert folder.path.exists()
    folder.remove()


def test_a_note_that_names_a_folder_not_of_ours_removes_nothing(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    run = tmp_path / "run"
    run.mkdir()
    (run / f"{_NAME}.folder").write_text(str(precious))

    SocketFolder.make(run, _NAME)

    assert precious.is_dir()


def test_a_deep_temporary_folder_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("y" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    folder = SocketFolder.make(tmp_path / ("x" * 100), _NAME)

    assert not list(deep.iterdir())
    assert len(str(folder.path / _NAME)) <= 103
    folder.remove()
