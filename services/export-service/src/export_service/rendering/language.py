"""The languages of what people read in a file, where no name is fixed."""

from enum import StrEnum


class Language(StrEnum):
    """German or English."""

    DE = "de"
    EN = "en"
