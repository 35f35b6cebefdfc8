"""The Docker engine of this machine, where there is one."""

import functools
import os
import socket
from contextlib import closing

import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from local_stack.ports import HOST
from local_stack.processes import LocalStackError

_OLDEST_API = "1.41"
_DEFAULT_HOST = "unix:///var/run/docker.sock"


@functools.cache
def engine_answers() -> bool:
    """Whether a Docker engine answers; asked once."""
    try:
        _knock()
        # With the version given nothing is asked before `with` can close the connection.
        with closing(docker.from_env(version=_OLDEST_API, timeout=5)) as client:
            client.ping()
    except (DockerException, OSError):
        return False
    return True


def _knock() -> None:
    """Raises OSError where no engine listens; the client would leave its socket open then."""
    scheme, _, path = os.environ.get("DOCKER_HOST", _DEFAULT_HOST).partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(path)


def engine_host(container: DockerContainer) -> str:
    """Where the ports are that the engine publishes."""
    host = container.get_docker_client().host()
    return HOST if host == "localhost" else host


def start_container(container: DockerContainer) -> None:
    """Starts a new container; its image is pulled where it is missing."""
    try:
        container.start()
    except DockerException as error:
        raise LocalStackError(
            f"the Docker engine cannot run {container.image}: docker pull {container.image}"
            f" (or do without it: LOCAL_STACK_ENGINE=processes); it says: {error}"
        ) from error
