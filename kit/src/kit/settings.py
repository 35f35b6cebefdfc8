"""What every service reads from its environment."""

from functools import cache
from zoneinfo import available_timezones

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """The settings all services share; a service adds its own in a subclass.

    Each field is the environment variable of the same name in capitals. A wrong value stops the
    start; the message names the variable and never repeats the value, which may be a password.
    """

    model_config = SettingsConfigDict(
        env_prefix="",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    database_url: str = Field(pattern=r"^postgresql\+asyncpg://", repr=False)
    """The service's own database, e.g. `postgresql+asyncpg://role:password@host:5432/name`."""

    migrations_database_url: str | None = Field(
        default=None, pattern=r"^postgresql\+asyncpg://", repr=False
    )
    """The same database for the role that owns it; only `migrate` uses it.

    It gives the role of `database_url` what the service needs, and no more. None is for
    development: then one role migrates and serves, and may change whatever it likes.
    """

    kafka_bootstrap_servers: str = Field(min_length=1)
    """Kafka brokers to start from, `host:port` separated by commas."""

    auth_issuer: str = Field(min_length=1)
    """The only issuer (`iss`) whose tokens are taken."""

    auth_audience: str = Field(min_length=1)
    """The audience (`aud`) that a token must be made for."""

    auth_jwks_url: str = Field(pattern=r"^https?://")
    """Where the issuer publishes its public keys (JWKS)."""

    http_host: str = "127.0.0.1"
    """The address to listen on."""

    http_port: int = Field(default=8000, ge=1, le=65535)
    """The port to listen on."""

    log_level: str = Field(default="INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")
    """The least level that is logged."""

    time_zone: str = "Europe/Berlin"
    """IANA time zone of the tenants' booking days."""

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, name: str) -> str:
        if name not in _time_zones():
            raise ValueError("no time zone of this name")
        return name


def say_wrong_settings(error: ValidationError) -> str:
    """Return which variables of the environment are wrong or missing, and why; no value of them."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        ": ".join(
            [
                *(str(name).upper() for name in each["loc"][:1]),
                each["msg"].removeprefix("Value error, "),
            ]
        )
        for each in wrong
    )


@cache
def _time_zones() -> set[str]:
    """Look once which time zones the machine knows: that opens hundreds of files."""
    return available_timezones()
