"""A Postgres data folder: made whole or not at all, and looked at before it is used."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.embedded.errors import EmbeddedError, disk_full
from gateway.embedded.privileges import Identity, hand_over
from gateway.embedded.processes import GuardedProcess

SUPERUSER: Final = "tollway"

# initdb takes half a second on a laptop; a slow disk with fsync may take long.
_INITDB_TIMEOUT_S = 120

# Locale "C.UTF-8" built into Postgres since 17: the same order of text on every machine,
# whichever libc it has, so that no index breaks with an upgrade of the system.
_BUILTIN_LOCALE_SINCE = 17


def postgres_env(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for Postgres programs: ours, without what would change their mind."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("PG", "LC_", "LANG")) and name != "TZ"
    }
    return kept | {"LC_ALL": "C"}


def check_cluster(data_dir: Path, bin_dir: Path, major: int) -> bool:
    """Look whether `data_dir` holds a cluster that these programs can run.

    Gives False where there is none yet.

    Raises:
        EmbeddedError: it holds another major's cluster, or something else.
    """
    try:
        found = (data_dir / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        if data_dir.exists() and any(data_dir.iterdir()):
            raise EmbeddedError(
                f"{data_dir} holds files but no PostgreSQL data (no PG_VERSION in it); "
                "move them away or choose another folder with --data DIR"
            ) from None
        return False
    if found != str(major):
        raise EmbeddedError(
            f"{data_dir} was made by PostgreSQL {found}, but {bin_dir} is PostgreSQL {major}; "
            f"set TOLLWAY_PG_BIN to the bin folder of a PostgreSQL {found}, "
            "or choose another folder with --data DIR"
        )
    return True


async def make_cluster(
    data_dir: Path, bin_dir: Path, major: int, identity: Identity, *, durable: bool
) -> None:
    """Make a cluster in `data_dir`, which appears only once it is complete and on disk.

    Raises:
        EmbeddedError: initdb failed; what it left is removed.
    """
    half_made = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(mode=0o700, parents=True)
    await hand_over(half_made, identity)
    initdb = await GuardedProcess.start(
        [*_initdb_command(bin_dir, major, durable=durable), "-D", half_made],
        name="initdb",
        env=postgres_env(os.environ),
        cwd=Path("/"),
        grace_s=0.5,
        stop_signals=(signal.SIGTERM,),
        drop=identity.drop,
    )
    try:
        async with asyncio.timeout(_INITDB_TIMEOUT_S):
            ended = await initdb.wait_died()
    except TimeoutError:
        ended = f"initdb took more than {_INITDB_TIMEOUT_S} s"
    finally:
        await initdb.stop()
    if initdb.exit_code != 0:
        shutil.rmtree(half_made, ignore_errors=True)
        if any("No space left on device" in line for line in initdb.last_lines):
            raise EmbeddedError(disk_full(data_dir))
        raise EmbeddedError(f"cannot make a database in {data_dir}: {ended}")
    _move_into_place(half_made, data_dir, durable=durable)


async def copy_cluster(template: Path, data_dir: Path) -> None:
    """Make a cluster as a copy of one that never ran; for tests, so nothing is synced."""
    half_made = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(half_made, ignore_errors=True)
    await asyncio.to_thread(shutil.copytree, template, half_made, symlinks=True)
    _move_into_place(half_made, data_dir, durable=False)


def _initdb_command(bin_dir: Path, major: int, *, durable: bool) -> list[str | Path]:
    command: list[str | Path] = [
        bin_dir / "initdb",
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        "--locale=C",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--no-instructions",
    ]
    if major >= _BUILTIN_LOCALE_SINCE:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not durable:
        command.append("--no-sync")
    return command


def _move_into_place(half_made: Path, data_dir: Path, *, durable: bool) -> None:
    if data_dir.exists():
        # Empty, as `check_cluster` saw; a rename onto it would do too, but not if it is
        # a link to a folder elsewhere.
        data_dir.rmdir()
    half_made.rename(data_dir)
    if durable:
        descriptor = os.open(data_dir.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
