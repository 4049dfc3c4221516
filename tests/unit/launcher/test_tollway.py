"""The launcher, run for real in a folder of its own, with stand-ins for uv and Python."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

_LAUNCHER = Path(__file__).parents[3] / "tollway"
_TOOLS = ("sh", "cat", "cmp", "cp", "dirname", "env", "grep", "mkdir", "mktemp", "mv", "readlink")
_MORE_TOOLS = ("rm", "rmdir", "sleep", "tail", "touch", "chmod")

# The environment's Python: tells how it was called.
_VENV_PYTHON = """#!/bin/sh
case "$*" in *pip*install*)
    echo "pip $*" >>"$CALLS"
    [ -z "$PIP_FAILS" ] || { echo "no matching hash"; exit 1; }
    exit 0 ;;
-I\\ -c*) exit 0 ;;
esac
echo "$* | $PWD | $PYTHONPATH | ${VIRTUAL_ENV-unset}"
"""

# Makes an environment, as `uv sync` and `python -m venv` do.
_MAKER = """#!/bin/sh
case "$*" in
    --version) exit 0 ;;
    *print*) echo 3.11; exit 0 ;;
    *version_info*) [ -z "$TOO_OLD" ]; exit ;;
    *ensurepip*) [ -z "$NO_ENSUREPIP" ]; exit ;;
esac
# Noted by what then sleeps: a signal that comes between the two would reach a shell that
# begins to wait all the same.
(
    echo "$(basename_of "$0") $*" >>"$CALLS"
    exec sleep "${SLOW:-0}"
)
[ -z "$UV_FAILS" ] || [ "$(basename_of "$0")" != uv ] || { echo "uv is too old"; exit 2; }
mkdir -p "$VENV/bin"
cp "$STAND_IN" "$VENV/bin/python"
""".replace("basename_of", "basename")


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone of the repository, as far as the launcher looks at it."""

    root: Path
    calls_file: Path
    env: dict[str, str]

    def run(
        self, *words: str, cwd: Path | None = None, **env: str
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.root / "tollway", *words],
            check=False,
            capture_output=True,
            text=True,
            cwd=cwd,
            env=self.env | env,
            timeout=60,
        )

    def start(self, *words: str, **env: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.root / "tollway", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env | env,
            start_new_session=True,
            # Tests that run in the background of a shell have it ignored, and a shell
            # cannot trap what was ignored when it began.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread of the child's own yet
        )

    @property
    def calls(self) -> list[str]:
        """What was called so far to make the environment."""
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    root = tmp_path / "a clone"
    root.mkdir()
    shutil.copy(_LAUNCHER, root / "tollway")
    (root / "uv.lock").write_text("version = 1\n")
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for tool in (*_TOOLS, *_MORE_TOOLS, "basename"):
        found = shutil.which(tool)
        assert found is not None
        (bin_dir / tool).symlink_to(found)
    stand_in = tmp_path / "venv-python"
    _write(stand_in, _VENV_PYTHON)
    return Clone(
        root,
        tmp_path / "calls",
        {
            "PATH": str(bin_dir),
            "CALLS": str(tmp_path / "calls"),
            "STAND_IN": str(stand_in),
            "VENV": str(root / ".venv"),
        },
    )


@pytest.fixture
def with_uv(clone: Clone) -> Clone:
    _write(Path(clone.env["PATH"]) / "uv", _MAKER)
    return clone


@pytest.fixture
def with_python(clone: Clone) -> Clone:
    _write(Path(clone.env["PATH"]) / "python3", _MAKER)
    return clone


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_first_start_makes_the_environment_with_uv_and_the_next_does_not(
    with_uv: Clone, tmp_path: Path
) -> None:
    first = with_uv.run("up", "--port", "1", cwd=tmp_path, VIRTUAL_ENV="/other")
    second = with_uv.run("up", cwd=tmp_path)

    assert first.returncode == 0
    assert first.stdout == f"-P -m gateway up --port 1 | {tmp_path} | {with_uv.root} | unset\n"
    assert len(first.stderr.splitlines()) == 1
    assert (second.stdout[:16], second.stderr) == ("-P -m gateway up", "")
    assert len(with_uv.calls) == 1
    assert "--frozen" in with_uv.calls[0]
    assert "--no-dev" in with_uv.calls[0]


def test_it_finds_its_clone_behind_links(with_uv: Clone, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(with_uv.root / "tollway")
    (tmp_path / "two").symlink_to("one")

    told = subprocess.run(
        [tmp_path / "two"], check=True, capture_output=True, text=True, env=with_uv.env
    )

    assert str(with_uv.root) in told.stdout


def test_tests_get_the_tools_of_developers_which_then_stay(with_uv: Clone) -> None:
    with_uv.run("up")
    with_uv.run("test", "-x")
    with_uv.run("up")
    (with_uv.root / "uv.lock").write_text("version = 2\n")
    with_uv.run("up")

    assert ["--group dev" in call for call in with_uv.calls] == [False, True, True]


def test_without_uv_python_and_pip_do_it_with_hashes(with_python: Clone) -> None:
    first = with_python.run("up")
    with_python.run("check")

    assert first.returncode == 0
    assert with_python.calls[0].startswith("python3 -m venv")
    assert "--require-hashes" in with_python.calls[1]
    assert with_python.calls[1].endswith("/requirements.lock")
    assert with_python.calls[2].endswith("/requirements-dev.lock")


def test_a_uv_that_cannot_is_followed_by_pip(with_uv: Clone, with_python: Clone) -> None:
    told = with_uv.run("up", UV_FAILS="1")

    assert told.returncode == 0
    assert "uv is too old" in told.stderr
    assert with_python.calls[-1].startswith("pip")


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"NO_ENSUREPIP": "1"}, "apt install python3.11-venv"),
        ({"TOO_OLD": "1"}, "no Python from 3.11 on was found"),
        ({"PIP_FAILS": "1"}, "pip could not install requirements.lock"),
    ],
)
def test_what_is_missing_is_told_in_one_line(
    with_python: Clone, env: dict[str, str], words: str
) -> None:
    told = with_python.run("up", cwd=None, **env)

    assert told.returncode == 1
    assert words in told.stderr.splitlines()[-1]
    assert not (with_python.root / ".venv.lock").exists()
    assert with_python.run("up").returncode == 0


def test_no_python_at_all_is_told_in_one_line(clone: Clone) -> None:
    told = clone.run("up")

    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "https://docs.astral.sh/uv" in told.stderr


def test_a_start_that_was_killed_midway_is_made_anew(with_uv: Clone) -> None:
    started = with_uv.start("up", SLOW="600")
    _until(lambda: with_uv.calls != [])
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    (with_uv.root / ".venv" / "half").mkdir(parents=True)

    told = with_uv.run("up")

    assert told.returncode == 0
    assert not (with_uv.root / ".venv" / "half").exists()
    assert not [path for path in with_uv.root.iterdir() if path.name.startswith(".venv.")]


def test_an_interrupt_ends_it_and_frees_the_lock(with_uv: Clone) -> None:
    started = with_uv.start("up", SLOW="600")
    _until(lambda: with_uv.calls != [])

    os.killpg(started.pid, signal.SIGINT)
    started.communicate()

    assert started.returncode in {130, -signal.SIGINT}
    assert not (with_uv.root / ".venv.lock").exists()


def test_of_two_first_starts_one_works_and_one_waits(with_uv: Clone) -> None:
    starts = [with_uv.start("up", SLOW="0.5") for _ in range(2)]

    ended = [start.communicate() for start in starts]

    assert [start.returncode for start in starts] == [0, 0]
    assert all("-m gateway up" in out for out, _ in ended)
    assert len(with_uv.calls) == 1


def test_an_environment_whose_python_is_gone_is_made_anew(with_uv: Clone) -> None:
    with_uv.run("up")
    (with_uv.root / ".venv" / "bin" / "python").unlink()

    assert with_uv.run("up").returncode == 0
    assert len(with_uv.calls) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_clone_that_we_may_not_write_to_is_told_in_one_line(with_uv: Clone) -> None:
    with_uv.root.chmod(0o500)

    told = with_uv.run("up")

    assert "cannot write to" in told.stderr
    assert told.stderr.count("\n") == 1


def test_the_gateway_takes_the_place_of_the_launcher(with_uv: Clone) -> None:
    _write(Path(with_uv.env["STAND_IN"]), "#!/bin/sh\necho $$\n")

    started = with_uv.start("up")
    out, _ = started.communicate()

    assert out == f"{started.pid}\n"
