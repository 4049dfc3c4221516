"""The embedded Postgres: from a folder to a URL in well under a second."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from gateway.embedded.binaries import find_postgres, get_postgres_major
from gateway.embedded.cluster import (
    SUPERUSER,
    check_cluster,
    copy_cluster,
    make_cluster,
    postgres_env,
)
from gateway.embedded.errors import EmbeddedError, translated
from gateway.embedded.orphans import end_orphans
from gateway.embedded.privileges import Identity, choose_identity, hand_over, reachable_programs
from gateway.embedded.processes import GuardedProcess
from gateway.embedded.server import EmbeddedServer
from gateway.embedded.sockets import SocketFolder, find_sockets

DATABASE: Final = "tollway"
_PORT = 5432
_SOCKET = f".s.PGSQL.{_PORT}"
_PROGRAMS = frozenset({"postgres"})

# A start is 50 ms, but the recovery after a crash reads the whole log since the last
# checkpoint: at most 1 GB by Postgres's default, a minute on a slow disk.
_START_TIMEOUT_S = 90.0
_CONNECT_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 0.01

# SIGINT is the fast shutdown, 20 ms as a rule and then a clean start; SIGQUIT leaves the
# rest to the recovery of the next start. Both together stay within Ctrl-C's five seconds.
_STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT)
_GRACE_S = 2.0

_SETTINGS: Final = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "jit": "off",
}
_DURABLE: Final = {"fsync": "on", "full_page_writes": "on"}
_FLEETING: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "16MB",
}


class EmbeddedPostgres(EmbeddedServer):
    """One Postgres server on `data_dir`, with its socket in `run_dir`, which is a child of ours.

    The caller holds the lock of the folder around them (`owner.DataDir`). `durable=False`
    is for tests: nothing survives a crash of the machine, and `template` then names a
    folder where a new cluster is kept to be copied, which saves half a second each time.
    """

    name = "postgres"

    def __init__(
        self, data_dir: Path, run_dir: Path, *, durable: bool = True, template: Path | None = None
    ) -> None:
        super().__init__(data_dir, run_dir, durable=durable)
        self._template = template

    async def start(self) -> str:
        """Start the server, made first if need be, and give the URL of its database.

        The URL is for asyncpg; it names a Unix socket that only we may open. On error and
        on cancellation nothing is left running.

        Raises:
            EmbeddedError: in one line what is wrong and what to do.
        """
        bin_dir = find_postgres()
        major = await asyncio.to_thread(get_postgres_major, bin_dir)
        identity = await choose_identity()
        with translated(self.data_dir):
            bin_dir = await reachable_programs(bin_dir, self.data_dir, identity)
            await self._prepare_data(bin_dir, major, identity)
            self._sockets = SocketFolder.make(self._run_dir, _SOCKET)
            try:
                await hand_over(self._sockets.path, identity)
                self._process = await self._launch(bin_dir, identity, self._sockets.path)
                return await self._wait_ready(self._process, self._sockets.path)
            except BaseException:
                await asyncio.shield(self.stop())
                raise

    async def _prepare_data(self, bin_dir: Path, major: int, identity: Identity) -> None:
        await end_orphans(self.data_dir, _PROGRAMS)
        if check_cluster(self.data_dir, bin_dir, major):
            # Nobody works here, so the pid in it is of a dead server, or by chance of
            # some other program now, which would keep Postgres from starting.
            (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
            await hand_over(self.data_dir, identity)
            return
        self.data_dir.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._template is None or self._durable or identity.ids is not None:
            await make_cluster(self.data_dir, bin_dir, major, identity, durable=self._durable)
            return
        if not check_cluster(self._template, bin_dir, major):
            await make_cluster(self._template, bin_dir, major, identity, durable=False)
        await copy_cluster(self._template, self.data_dir)

    async def _launch(self, bin_dir: Path, identity: Identity, sockets: Path) -> GuardedProcess:
        for name in (_SOCKET, f"{_SOCKET}.lock"):
            (sockets / name).unlink(missing_ok=True)
        # A list of names to Postgres: in quotes, or a blank at the end would be lost.
        folder = str(sockets).replace('"', '""')
        settings = _SETTINGS | (_DURABLE if self._durable else _FLEETING)
        settings |= {"unix_socket_directories": f'"{folder}"'}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return await GuardedProcess.start(
            [bin_dir / "postgres", "-D", self.data_dir, *options],
            name=self.name,
            env=postgres_env(os.environ),
            cwd=Path("/"),
            stop_signals=_STOP_SIGNALS,
            grace_s=_GRACE_S,
            death_signal=signal.SIGQUIT,
            drop=identity.drop,
        )

    async def _wait_ready(self, process: GuardedProcess, sockets: Path) -> str:
        url = _url(sockets, DATABASE)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                try:
                    connection = await self._connect(process, url)
                except asyncpg.InvalidCatalogNameError:
                    connection = await self._connect(process, _url(sockets, "postgres"))
                    # No parameter can stand here; the name is our constant.
                    await connection.execute(f"create database {DATABASE}")
                await connection.close()
        except TimeoutError:
            raise self._not_ready(process, _START_TIMEOUT_S) from None
        return url

    async def _connect(
        self, process: GuardedProcess, url: str
    ) -> "asyncpg.Connection[asyncpg.Record]":
        while True:
            try:
                return await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                if not process.is_running:
                    raise EmbeddedError(await self._explain_death(process)) from None
            await asyncio.sleep(_LOOK_EVERY_S)


async def running_url(run_dir: Path) -> str | None:
    """Return the URL of the database whose server runs with its socket in `run_dir`, or None."""
    url = _url(find_sockets(run_dir, _SOCKET), DATABASE)
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S)
    except (OSError, asyncpg.PostgresError):
        return None
    await connection.close()
    return url


def _url(sockets: Path, database: str) -> str:
    return f"postgresql:///{database}?host={quote(str(sockets))}&port={_PORT}&user={SUPERUSER}"
