"""A file that cannot be read at all."""

from typing import Final

NO_FORMAT: Final = "The file is neither a workbook (.xlsx) nor CSV"


class RefusedError(Exception):
    """Why a whole file is refused; holds nothing of what stands in the file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
