"""How a partner writes its report files (R53)."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, model_validator
from pydantic import Field as Limits

from contracts.money import CURRENCIES, Currency
from contracts.parts import Code
from kit.http import Body
from partner_gateway.report_files.cells import plain
from partner_gateway.report_files.kinds import Days, Field, Kind, Numbers


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Word = Annotated[
    str,
    Limits(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$"),
    AfterValidator(_not_blank),
]
"""A heading, or what stands in a cell; capitals and repeated blanks do not matter."""


class ReportFormat(Body):
    """What the columns of a partner's files are called, and how their cells are written."""

    columns: Annotated[dict[Field, Word], Limits(min_length=1)]
    """The heading of each of our columns that the partner's files have. Each of them must be there
    in every file; other columns are left alone."""
    fixed_kind: Kind | None = None
    """What every row says, for files without a column that tells."""
    kinds: Annotated[dict[Word, Kind], Limits(max_length=100)] = Limits(default_factory=dict)
    """What the words in the column `kind` mean; our own names are always understood."""
    codes: Annotated[dict[Word, Code], Limits(max_length=500)] = Limits(default_factory=dict)
    """What the words in the columns `reason_code` and `result_code` mean; a word that is not here
    must be a code itself."""
    numbers: Numbers = Numbers.AUTO
    """How amounts are written in texts. GERMAN: 1.234,56. ENGLISH: 1,234.56. AUTO takes both and
    refuses 1.234 and 1,234, which mean different things to them."""
    days: Days = Days.AUTO
    """How days are written in texts. GERMAN: 31.12.2026. ISO: 2026-12-31. AUTO takes both."""
    currency: Currency = "EUR"
    """The currency where there is no such column, or its cell is empty."""

    @model_validator(mode="after")
    def _tells_all(self) -> Self:
        if not self.columns.keys() & {Field.CASE_ID, Field.FILE_NUMBER}:
            raise ValueError("columns must hold case_id or file_number")
        if (Field.KIND in self.columns) == (self.fixed_kind is not None):
            raise ValueError("either columns must hold kind, or fixed_kind be given")
        for name, words in (
            ("columns", self.columns.values()),
            ("kinds", self.kinds),
            ("codes", self.codes),
        ):
            if len({plain(word) for word in words}) < len(words):
                raise ValueError(f"{name} must have different headings or words")
        return self

    def reading(self, today: date, *, is_own: bool) -> Mapping[str, Any]:
        """Return what the reader process must know; `is_own`: the partner has no format."""
        return {
            **self.model_dump(mode="json"),
            "all_columns": not is_own,
            "currencies": sorted(CURRENCIES),
            "today": today.isoformat(),
        }


OWN_FORMAT = ReportFormat(columns={name: name.value for name in Field})
"""How a file is read whose partner has no format: any of our own headings, and no others."""
