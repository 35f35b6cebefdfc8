"""Services of a stack that run more than once."""

from local_stack.ports import free_port
from local_stack.stack import Program, Stack


def another_instance(stack: Stack, name: str, number: int = 2) -> Program:
    """Return another instance of a service, with the same settings on a port of its own."""
    port = free_port()
    return Program(
        name,
        "serve",
        port=port,
        ready_path="/health/ready",
        log=stack.logs / f"{name}-{number}.log",
        settings=stack.service(name).settings | {"HTTP_PORT": str(port)},
    )
