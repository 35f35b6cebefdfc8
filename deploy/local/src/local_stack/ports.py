"""TCP ports of this machine."""

import socket
from itertools import chain
from random import SystemRandom

HOST = "127.0.0.1"
_NEVER_GIVEN = range(10_000, 32_000)
"""Linux gives ports from 32768 on to those who connect, most others from 49152 on."""
_TRIES = 100


def free_port(preferred: int = 0) -> int:
    """`preferred` if nobody has it, else a port that is free now.

    It is none that the system gives to those who connect somewhere: one of them might get it
    before the program that it is for listens there.
    """
    others = SystemRandom().sample(_NEVER_GIVEN, _TRIES)
    for port in chain([preferred] if preferred else [], others):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
            # Else a port whose last connections are still being forgotten counts as taken.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError(f"{HOST} has no free port")
