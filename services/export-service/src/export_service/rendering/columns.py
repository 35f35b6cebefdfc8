"""What a column of a file is called and what it holds."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a column's values are; each writer has a way of its own for each kind."""

    TEXT = "text"
    PHONES = "phones"
    """A text of phone numbers, separated by a comma."""
    DATE = "date"
    DECIMAL = "decimal"
    BOOL = "bool"
    ENUM = "enum"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `name` is its heading."""

    name: str
    kind: Kind
    meaning: str
