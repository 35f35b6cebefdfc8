"""The settings of run-service."""

from kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What run-service reads from its environment."""

    http_port: int = 8001
    """The port to listen on."""
