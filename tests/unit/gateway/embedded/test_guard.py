import os
import subprocess
import sys
from pathlib import Path

import pytest

_GUARD = Path(__file__).parents[4] / "gateway" / "embedded" / "guard.py"


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", _GUARD, *words], check=False, capture_output=True, text=True
    )


def test_the_guard_imports_nothing_of_ours() -> None:
    source = _GUARD.read_text()

    assert "from gateway" not in source
    assert "import gateway" not in source


def test_without_its_order_it_says_how_it_is_called() -> None:
    told = _run("--probe-nothing", "1")

    assert told.returncode == 2
    assert told.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_tells_what_another_account_can_reach(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    assert _run("--probe-reach", "65534", "65534", "/usr").returncode == 0
    assert _run("--probe-reach", "65534", "65534", str(private)).returncode == 1
    assert _run("--probe-reach", "65534", "65534", str(private / "x")).returncode == 1


def test_a_namespace_is_open_or_shut_and_never_a_crash() -> None:
    told = _run("--probe-userns", "65534", "65534")

    assert told.returncode in {0, 1}
    assert not told.stderr
