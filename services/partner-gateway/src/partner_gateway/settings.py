"""The settings of the partner gateway, from the environment."""

from functools import cached_property
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from kit.settings import ServiceSettings
from partner_gateway.sealing import Seal


class Settings(ServiceSettings):
    """What the partner gateway needs besides what every service needs."""

    encryption_keys: SecretStr
    """Fernet keys separated by commas; the first seals, all of them open."""

    trusted_partner_hosts: Annotated[frozenset[str], NoDecode] = frozenset()
    """Hosts (names or addresses, separated by commas, without port) that a partner may have though
    they are private or without TLS: a simulator, an agency inside the own network. Every other
    partner needs https and a public address."""

    partner_timeout_seconds: float = Field(default=15, gt=0, le=60)
    """How long a whole exchange with a partner may take before its outcome counts as unknown."""

    retry_delays_seconds: Annotated[tuple[float, ...], NoDecode] = Field(
        default=(5, 300, 1800, 7200, 18_000, 36_000), min_length=1
    )
    """Pauses after the first, second … failed try, separated by commas; the last one repeats."""

    notice_days: int = Field(default=3, ge=0, le=365)
    """Days, with Sundays and holidays, after which a partner should know what it must be told."""

    callback_retention_days: int = Field(default=400, ge=1, le=36_500)
    """Days after which the bodies of callbacks that have acted are forgotten: personal data."""

    poll_interval_seconds: float = Field(default=300, ge=1, le=86_400)
    """How often a partner is asked that does not call back."""

    report_file_days: int = Field(default=7, ge=1, le=30)
    """Days after which a report file that nobody applied is discarded: personal data."""

    report_reader_memory_mb: int = Field(default=512, ge=128, le=8192)
    """Memory (address space) of the process that reads a report file; one that needs more is
    refused."""

    report_reader_seconds: int = Field(default=120, ge=10, le=240)
    """Seconds of a processor, and of waiting, that reading a report file may take."""

    @field_validator("encryption_keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr) -> SecretStr:
        try:
            Seal(_split(keys.get_secret_value()))
        except ValueError:
            raise ValueError("must be Fernet keys separated by commas") from None
        return keys

    @field_validator("trusted_partner_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, hosts: object) -> object:
        return (
            frozenset(host.lower() for host in _split(hosts)) if isinstance(hosts, str) else hosts
        )

    @field_validator("retry_delays_seconds", mode="before")
    @classmethod
    def _split_delays(cls, delays: object) -> object:
        return tuple(_split(delays)) if isinstance(delays, str) else delays

    @cached_property
    def seal(self) -> Seal:
        """What partners' secrets are sealed with."""
        return Seal(_split(self.encryption_keys.get_secret_value()))


def _split(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]
