"""Every setting of the service."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings that all services share, and where exports are kept and for how long."""

    export_directory: Path
    """Folder for the files (EXPORT_DIRECTORY); all instances of the service share it."""

    export_days: int = Field(default=30, ge=1, le=365)
    """Days after which a file is deleted (EXPORT_DAYS)."""

    @property
    def export_lifetime(self) -> timedelta:
        """How long a file is kept."""
        return timedelta(days=self.export_days)
