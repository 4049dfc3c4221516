"""Listening: the same port on every address, or one line that says why not."""

import socket
from contextlib import closing

import pytest

from gateway.errors import StartError
from gateway.sockets import bind

LOOPBACKS = ("127.0.0.1", "::1")


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_free_port_is_the_same_on_every_address() -> None:
    sockets = bind(LOOPBACKS, 0)

    ports = {bound.getsockname()[1] for bound in sockets}
    for bound in sockets:
        bound.close()

    assert len(ports) == 1
    assert len(sockets) == (2 if has_ipv6() else 1)


def test_taken_port_is_named_with_what_to_do() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(StartError) as refused:
            bind(LOOPBACKS, port)

    assert str(refused.value) == (
        f"cannot listen on 127.0.0.1 port {port} (Address already in use): stop the program that"
        " has it, or choose another with listen.port (`up`: --port)"
    )


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_port_that_is_taken_on_ipv6_alone_is_taken() -> None:
    # A browser that asks ::1 first would reach the other program. The address is a loopback of
    # our own: on 127.0.0.1 a test that runs beside this one may have the same port.
    with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(StartError, match=f"::1 port {port}"):
            bind(("127.83.14.9", "::1"), port)


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(StartError, match=r"192\.0\.2\.1"):
        bind(("192.0.2.1",), 0)
