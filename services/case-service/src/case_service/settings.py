"""Every setting of case-service."""

from kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings that all services share; case-service needs no other."""
