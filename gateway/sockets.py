"""Listening sockets: bound, shared out among workers, and handed down from process to process.

Each has SO_REUSEPORT, so that every worker has a queue of its own, and so that a second
process can be let onto the same port. That nobody else is on it by accident, is found out
first, by binding it without.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Sequence

from gateway.errors import StartError

LOCALHOST = ("127.0.0.1", "::1")
"""Both loopbacks: browsers ask either first for names under `.localhost`."""

_BACKLOG = 2048

# How often a free port is looked for that is free on every address.
_TRIES = 10

# What binding `::1` says on a machine without IPv6.
_NO_IPV6 = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})


def bind(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Return listening sockets; port 0 takes a free one, the same on every address.

    Raises:
        StartError: the port is taken, or may not be used by us.
    """
    return listen_all(_bind_free(addresses, port, is_shared=False))


def bind_slots(
    addresses: Sequence[str],
    port: int,
    slots: int,
    *,
    is_shared: bool = False,
    inherited: Sequence[socket.socket] = (),
) -> list[list[socket.socket]]:
    """Return for each slot a socket for every address, bound and not yet listening.

    What was `inherited` of these addresses is used first and shared out evenly; it may hold
    visitors who wait already. `is_shared` allows others on the same port. The rest of what
    was inherited is closed.

    Raises:
        StartError: the port is taken, or may not be used by us.
    """
    groups = _groups_of(inherited, addresses, port)
    with contextlib.ExitStack() as stack:
        if not groups and not is_shared:
            for probe in _bind_free(addresses, port, is_shared=False):
                port = stack.enter_context(probe).getsockname()[1]
        groups = groups or [_bind_free(addresses, port, is_shared=True)]
    names = [bound.getsockname()[:2] for bound in groups[0]]
    while len(groups) < slots:
        groups.append(_bind_all([name[0] for name in names], names[0][1], is_shared=True))
    shared: list[list[socket.socket]] = [[] for _ in range(slots)]
    for index, group in enumerate(groups):
        shared[index % slots] += group
    return shared


def twins_of(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Return sockets on the same addresses, bound and not yet listening."""
    twins = []
    for sock in sockets:
        address, port = sock.getsockname()[:2]
        twins += _bind_all([address], port, is_shared=True)
    return twins


def listen_all(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Let visitors queue up.

    Raises:
        StartError: another program was quicker.
    """
    for bound in sockets:
        try:
            bound.listen(_BACKLOG)
        except OSError as error:
            address, port = bound.getsockname()[:2]
            raise _taken(address, port, error) from error
    return list(sockets)


def _groups_of(
    inherited: Sequence[socket.socket], addresses: Sequence[str], port: int
) -> list[list[socket.socket]]:
    """Sort inherited sockets into groups that each have every address; close what fits nowhere."""
    by_address: dict[str, list[socket.socket]] = {address: [] for address in addresses}
    for sock in inherited:
        address, its_port = sock.getsockname()[:2]
        if address in by_address and port in {0, its_port}:
            by_address[address].append(sock)
        else:
            sock.close()
    # A machine without IPv6 has none of `::1`.
    columns = [sockets for sockets in by_address.values() if sockets]
    return [list(group) for group in zip(*columns, strict=False)]


def _bind_free(addresses: Sequence[str], port: int, *, is_shared: bool) -> list[socket.socket]:
    for _ in range(_TRIES if port == 0 else 0):
        # What is free on one address may be taken on the next.
        with contextlib.suppress(StartError):
            return _bind_all(addresses, port, is_shared=is_shared)
    return _bind_all(addresses, port, is_shared=is_shared)


def _bind_all(addresses: Sequence[str], port: int, *, is_shared: bool) -> list[socket.socket]:
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for address in addresses:
            bound = _bind_one(address, port, is_shared=is_shared)
            if bound is None:
                continue
            stack.enter_context(bound)
            sockets.append(bound)
            port = bound.getsockname()[1]
        if not sockets:
            raise StartError(f"none of {', '.join(addresses)} is an address of this machine")
        stack.pop_all()
        return sockets


def _bind_one(address: str, port: int, *, is_shared: bool) -> socket.socket | None:
    """Bind one address; None for `::1` on a machine without IPv6."""
    try:
        bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    except OSError as error:
        if address == "::1" and error.errno in _NO_IPV6:
            return None
        raise
    try:
        # Connections of a predecessor that still end must not keep us from the port.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if bound.family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        if address == "::1" and error.errno in _NO_IPV6:
            return None
        raise _taken(address, port, error) from error
    return bound


def _taken(address: str, port: int, error: OSError) -> StartError:
    if isinstance(error, PermissionError):
        return StartError(
            f"port {port} needs more rights than we have: choose one above 1023 with"
            " listen.port (`up`: --port)"
        )
    # Not `strerror`: the socket module writes the address into it a second time.
    why = os.strerror(error.errno) if error.errno else str(error)
    return StartError(
        f"cannot listen on {address} port {port} ({why}): stop the program that"
        " has it, or choose another with listen.port (`up`: --port)"
    )
