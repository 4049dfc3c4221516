"""Sockets of several workers: one port, shared by who is meant to share it and nobody else."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from gateway.errors import StartError
from gateway.sockets import bind_slots, listen_all, twins_of

HERE = ("127.0.0.1",)


@pytest.fixture
def closing_all() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def own(stack: ExitStack, slots: list[list[socket.socket]]) -> list[list[socket.socket]]:
    for slot in slots:
        for sock in slot:
            stack.enter_context(closing(sock))
    return slots


def ports_of(slots: list[list[socket.socket]]) -> set[int]:
    return {sock.getsockname()[1] for slot in slots for sock in slot}


def test_every_slot_has_a_socket_on_the_same_port(closing_all: ExitStack) -> None:
    slots = own(closing_all, bind_slots(HERE, 0, 3))

    assert [len(slot) for slot in slots] == [1, 1, 1]
    assert len(ports_of(slots)) == 1


def test_port_of_somebody_who_shares_is_refused_unless_it_is_meant(
    closing_all: ExitStack,
) -> None:
    slots = own(closing_all, bind_slots(HERE, 0, 2))
    listen_all(slots[0])
    (port,) = ports_of(slots)

    with pytest.raises(StartError, match=f"port {port} .Address already in use"):
        bind_slots(HERE, port, 2)
    meant = own(closing_all, bind_slots(HERE, port, 1, is_shared=True))

    assert ports_of(meant) == {port}


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 2)])
def test_what_was_inherited_is_shared_out_and_completed(
    closing_all: ExitStack, before: int, after: int
) -> None:
    left = own(closing_all, bind_slots(HERE, 0, before))
    inherited = listen_all([sock for slot in left for sock in slot])

    slots = own(closing_all, bind_slots(HERE, 0, after, is_shared=True, inherited=inherited))

    assert len(slots) == after
    assert all(slots)
    assert {id(sock) for sock in inherited} <= {id(sock) for slot in slots for sock in slot}
    assert ports_of(slots) == ports_of(left)


def test_what_was_inherited_of_another_port_is_closed(closing_all: ExitStack) -> None:
    ((old,),) = own(closing_all, bind_slots(HERE, 0, 1))
    ((other,),) = own(closing_all, bind_slots(HERE, 0, 1))
    port = other.getsockname()[1]
    other.close()

    slots = own(closing_all, bind_slots(HERE, port, 1, is_shared=True, inherited=[old]))

    assert ports_of(slots) == {port}
    assert old.fileno() == -1


def test_twin_takes_nobody_in_before_it_listens(closing_all: ExitStack) -> None:
    ((first,),) = own(closing_all, bind_slots(HERE, 0, 1))
    listen_all([first])
    (twin,) = twins_of([first])
    closing_all.enter_context(closing(twin))
    name = first.getsockname()
    first.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(name)
    listen_all([twin])
    socket.create_connection(name).close()
