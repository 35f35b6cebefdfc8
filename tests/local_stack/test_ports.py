"""Ports for programs that are about to start."""

import socket

from local_stack.ports import HOST, free_port


def test_who_connects_meanwhile_never_gets_a_port_that_a_program_was_promised() -> None:
    promised = {free_port() for _ in range(50)}
    with socket.create_server((HOST, 0)) as server:
        clients = [socket.create_connection(server.getsockname()) for _ in range(100)]
        given = {client.getsockname()[1] for client in clients}
        for client in clients:
            client.close()
    assert max(promised) < min(given)


def test_a_port_that_somebody_has_is_not_promised() -> None:
    preferred = free_port()
    assert free_port(preferred) == preferred
    with socket.create_server((HOST, preferred)):
        assert free_port(preferred) != preferred
