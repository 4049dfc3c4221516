from pathlib import Path

import pytest

from gateway.embedded.cluster import check_cluster, make_cluster, postgres_env
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.privileges import Identity

_BIN = Path("/opt/pg/bin")


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_no_folder_and_an_empty_one_are_no_cluster_yet(tmp_path: Path) -> None:
    assert not check_cluster(tmp_path, _BIN, 18)
    assert not check_cluster(tmp_path / "none", _BIN, 18)


def test_a_cluster_of_this_major_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("18\n")

    assert check_cluster(tmp_path, _BIN, 18)


def test_a_cluster_of_another_major_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")

    with pytest.raises(EmbeddedError) as caught:
        check_cluster(tmp_path, _BIN, 18)

    for word in (str(tmp_path), "PostgreSQL 16", "PostgreSQL 18", "TOLLWAY_PG_BIN", "--data"):
        assert word in str(caught.value)
    assert (tmp_path / "PG_VERSION").read_text() == "16\n"


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")

    with pytest.raises(EmbeddedError, match="no PostgreSQL data"):
        check_cluster(tmp_path, _BIN, 18)


def test_what_would_change_the_mind_of_postgres_is_not_handed_on() -> None:
    env = postgres_env({"PATH": "/bin", "PGPORT": "1", "LANG": "de_DE", "LC_TIME": "x", "TZ": "y"})

    assert env == {"PATH": "/bin", "LC_ALL": "C"}


@pytest.mark.parametrize(
    ("said", "told"),
    [("initdb: error: no such luck", "no such luck"), ("write: No space left on device", "full")],
)
async def test_a_failed_initdb_leaves_nothing_and_says_why(
    tmp_path: Path, said: str, told: str
) -> None:
    initdb = tmp_path / "initdb"
    initdb.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    initdb.chmod(0o755)

    with pytest.raises(EmbeddedError, match=told):
        await make_cluster(tmp_path / "data", tmp_path, 16, Identity(), durable=True)

    assert _names(tmp_path) == ["initdb"]
