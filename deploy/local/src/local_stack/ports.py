"""TCP ports of this machine."""

import socket

HOST = "127.0.0.1"


def free_port(preferred: int = 0) -> int:
    """`preferred` if nobody has it, else a port that is free now."""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
            # Else a port whose last connections are still being forgotten counts as taken.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((HOST, port))
            except OSError:
                continue
            return int(candidate.getsockname()[1])
    raise OSError(f"{HOST} has no free port")


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on `port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        return client.connect_ex((HOST, port)) == 0
