"""The Docker engine of this machine, where there is one."""

import functools

import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from local_stack.ports import HOST


@functools.cache
def engine_answers() -> bool:
    """Whether a Docker engine answers; asked once."""
    try:
        docker.from_env(timeout=5).ping()
    except (DockerException, OSError):
        return False
    return True


def engine_host(container: DockerContainer) -> str:
    """Where the ports are that the engine publishes."""
    host = container.get_docker_client().host()
    return HOST if host == "localhost" else host
