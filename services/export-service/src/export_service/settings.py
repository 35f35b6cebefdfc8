"""Every setting of the service."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings that all services share, and where exports are kept and for how long."""

    export_directory: Path | None = None
    """Folder for the files (EXPORT_DIRECTORY); all instances of the service share it."""

    export_bucket: str | None = Field(default=None, min_length=1)
    """Bucket for the files (EXPORT_BUCKET), instead of a folder; nothing else is in it."""

    export_s3_endpoint: str | None = Field(default=None, pattern=r"^https?://")
    """Where the bucket is (EXPORT_S3_ENDPOINT), if it is not Amazon's."""

    export_s3_region: str = Field(default="eu-central-1", min_length=1)
    """Region of the bucket (EXPORT_S3_REGION)."""

    export_s3_access_key_id: str | None = Field(default=None, min_length=1)
    """Who writes and reads the bucket (EXPORT_S3_ACCESS_KEY_ID); None is the machine's own role."""

    export_s3_secret_access_key: SecretStr | None = Field(default=None, min_length=1)
    """The secret of the access key (EXPORT_S3_SECRET_ACCESS_KEY)."""

    export_days: int = Field(default=30, ge=1, le=365)
    """Days after which a file is deleted (EXPORT_DAYS)."""

    run_details_days: int = Field(default=400, ge=1, le=3650)
    """Days after which the rows of a run are deleted (RUN_DETAILS_DAYS); its sums stay."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.export_directory is None) == (self.export_bucket is None):
            raise ValueError("set either EXPORT_DIRECTORY or EXPORT_BUCKET")
        return self

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        if (self.export_s3_access_key_id is None) != (self.export_s3_secret_access_key is None):
            raise ValueError(
                "set both of EXPORT_S3_ACCESS_KEY_ID and EXPORT_S3_SECRET_ACCESS_KEY, or neither"
            )
        return self

    @model_validator(mode="after")
    def _of_the_bucket(self) -> Self:
        if self.export_directory is not None:
            for name in sorted(self.model_fields_set):
                if name.startswith("export_s3_") and getattr(self, name) is not None:
                    raise ValueError(f"{name.upper()} goes with EXPORT_BUCKET only")
        return self

    @property
    def export_lifetime(self) -> timedelta:
        """How long a file is kept."""
        return timedelta(days=self.export_days)
