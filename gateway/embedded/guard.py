"""Guard one server process: it ends when its owner ends, however the owner ends.

Run as `python -I -S guard.py SPEC` with a connected socket as stdin. It imports nothing
of ours, since it must work from any folder and start in milliseconds. SPEC is JSON:

    argv            the server's command line
    stop            names of the signals that ask it to stop, the gentlest first
    grace_s         how long each of them may take when the owner asks
    orphan_grace_s  the same, once the owner is gone
    death_signal    what the kernel sends the server if the guard itself is killed
    drop            null, or how to leave root: {"userns": [uid, gid]} or {"ids": [uid, gid]}

On the socket the guard writes lines of JSON, `{"pid": 7}` or `{"error": "..."}` first and
`{"exit": 0, "signal": 0}` last; any byte it reads, and the end of the stream, mean stop.

The parent of the server must be a process that does nothing else: a gateway that was
killed outright cannot clean up, and a prctl in the gateway would bind the server to the
life of the thread that happened to start it.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from typing import NoReturn, TypedDict

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000
_LINUX = sys.platform == "linux"

# How long the last SIGKILL may take to be reaped, and how often we look meanwhile.
_KILL_S = 2.0
_LOOK_EVERY_S = 0.01


class Drop(TypedDict, total=False):
    """How the child gives up root: exactly one of the two, as (uid, gid)."""

    userns: list[int]
    ids: list[int]


class Spec(TypedDict):
    """The command line's JSON, as told above."""

    argv: list[str]
    stop: list[str]
    grace_s: float
    orphan_grace_s: float
    death_signal: str
    drop: Drop | None


def main() -> int:
    """Run the guard, or with a `--probe-...` answer by the status whether that way is open."""
    match sys.argv[1:]:
        case ["--probe-userns", uid, gid]:
            with contextlib.suppress(OSError):
                enter_user_namespace(int(uid), int(gid))
                return 0
        case ["--probe-reach", uid, gid, path]:
            with contextlib.suppress(OSError):
                become_account(int(uid), int(gid))
                return 0 if os.access(path, os.R_OK | os.X_OK) else 1
        case [spec]:
            return _Guard(json.loads(spec)).run()
        case _:
            sys.stderr.write("guard.py takes one argument, its order as JSON\n")
            return 2
    return 1


class _Guard:
    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._owner = os.getppid()
        self._socket = socket.socket(fileno=os.dup(0))
        self._child = 0
        self._status: int | None = None
        self._signals = [signal.Signals[name] for name in spec["stop"]]
        self._grace_s = spec["grace_s"]
        self._stopping = False
        self._deadline: float | None = None

    def run(self) -> int:
        self._wake_on_signals()
        if _LINUX:
            # Orphans of the server, such as Postgres backends in sessions of their own,
            # then become our children and can be found and ended.
            _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        lifeline_read, lifeline_write = os.pipe()
        self._child, trouble = _spawn(self._spec, lifeline_read)
        os.close(lifeline_read)
        if trouble:
            self._report({"error": trouble})
            return 1
        self._report({"pid": self._child})
        while self._status is None:
            self._wait_for_news()
            self._reap()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._next_signal()
        os.close(lifeline_write)
        self._end_orphans()
        code = os.waitstatus_to_exitcode(self._status)
        self._report({"exit": max(code, 0), "signal": max(-code, 0)})
        return 0

    def _wake_on_signals(self) -> None:
        self._wake_read, wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Whoever means to stop the guard means to stop the server.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stop(orphaned=False))
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._poll.register(self._socket, select.POLLIN)
        self._owner_fd = _watch_process(self._owner)
        if self._owner_fd >= 0:
            # The socket alone would do, had nobody else a copy of the owner's end: a
            # process that the owner forked without exec has one.
            self._poll.register(self._owner_fd, select.POLLIN)

    def _wait_for_news(self) -> None:
        timeout_ms = None
        if self._deadline is not None:
            timeout_ms = max(0.0, (self._deadline - time.monotonic()) * 1000 + 1)
        for descriptor, _ in self._poll.poll(timeout_ms):
            if descriptor == self._wake_read:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            elif descriptor == self._owner_fd:
                self._poll.unregister(self._owner_fd)
                self._stop(orphaned=True)
            else:
                self._hear()

    def _hear(self) -> None:
        try:
            said = self._socket.recv(64)
        except ConnectionError:
            said = b""
        if not said:
            self._poll.unregister(self._socket)
        self._stop(orphaned=not said)

    def _stop(self, *, orphaned: bool) -> None:
        if orphaned:
            self._grace_s = min(self._grace_s, self._spec["orphan_grace_s"])
            if self._deadline is not None:
                self._deadline = min(self._deadline, time.monotonic() + self._grace_s)
        if not self._stopping:
            self._stopping = True
            self._deadline = time.monotonic()

    def _next_signal(self) -> None:
        number = self._signals.pop(0) if self._signals else signal.SIGKILL
        self._deadline = time.monotonic() + self._grace_s
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)
        if number == signal.SIGKILL:
            self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child, signal.SIGKILL)

    def _reap(self) -> bool:
        """Collect the dead; False once there is no child left, dead or alive."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._child:
                self._status = status

    def _end_orphans(self) -> None:
        """End what the server left behind. Its data is safe: that is what a log is for."""
        self._kill_group()
        deadline = time.monotonic() + _KILL_S
        while self._reap() and time.monotonic() < deadline:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_LOOK_EVERY_S)

    def _report(self, news: dict[str, object]) -> None:
        # An owner that is gone needs no news.
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(news).encode() + b"\n")


def _spawn(spec: Spec, lifeline: int) -> tuple[int, str]:
    """Start the server. Gives its pid and, if it could not be started, why."""
    trouble_read, trouble_write = os.pipe()
    guard = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become_server(spec, lifeline, guard)
        except BaseException as error:  # noqa: BLE001 - a forked copy must not return into the guard
            with contextlib.suppress(OSError):
                os.write(trouble_write, str(error).encode())
        os._exit(127)
    os.close(trouble_write)
    with os.fdopen(trouble_read, "rb") as pipe:
        # The exec closes the other end, so this waits until the server really runs.
        return pid, pipe.read().decode()


def _become_server(spec: Spec, lifeline: int, guard: int) -> NoReturn:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    drop = spec["drop"] or Drop()
    if "userns" in drop:
        enter_user_namespace(*drop["userns"])
    elif "ids" in drop:
        become_account(*drop["ids"])
    # After the change of identity, which would clear it.
    if _LINUX:
        _prctl(_PR_SET_PDEATHSIG, int(signal.Signals[spec["death_signal"]]))
        if os.getppid() != guard:
            os._exit(127)
    os.dup2(lifeline, 0)
    os.execv(spec["argv"][0], spec["argv"])  # noqa: S606 - no shell is the point


def become_account(uid: int, gid: int) -> None:
    """Give up root for good and be that account, without its groups."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def enter_user_namespace(inside_uid: int, inside_gid: int) -> None:
    """Be `inside_uid` in a user namespace of our own, which outside remains who we are.

    The exec that follows drops every capability, so a root outside can do no more than
    use the files of root; nothing has to change hands for it.
    """
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    if outside_uid == 0:
        os.setgroups([])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside_uid} {outside_uid} 1"),
        ("gid_map", f"{inside_gid} {outside_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs the guard 10 ms
            file.write(line)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


def _watch_process(pid: int) -> int:
    """A descriptor that becomes readable when `pid` ends; -1 where there is none."""
    if not hasattr(os, "pidfd_open"):
        return -1
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def _children() -> list[int]:
    """The pids whose parent we are, as far as this system tells."""
    us, found = os.getpid(), []
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs the guard 10 ms
            if name.isdigit():
                with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - as above
                    if int(file.read().rpartition(b")")[2].split()[1]) == us:
                        found.append(int(name))
    return found


if __name__ == "__main__":
    sys.exit(main())
