"""How a partner writes its report files (R53)."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic import Field as Limits

from contracts.money import CURRENCIES, Currency
from contracts.parts import Code
from kit.http import Body
from kit.problems import unprocessable
from partner_gateway.report_files.cells import plain
from partner_gateway.report_files.kinds import BY_ID_ONLY, FIELDS, Days, Field, Kind, Numbers


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

    def reading(self, today: date, *, is_own: bool) -> Mapping[str, Any]:
        """Return what the reader process must know; `is_own`: the partner has no format."""
        return {
            **self.model_dump(mode="json"),
            "all_columns": not is_own,
            "currencies": sorted(CURRENCIES),
            "today": today.isoformat(),
        }


def check_format(format_: ReportFormat) -> None:
    """Raise the 422 for a format that leaves something open, or says two things.

    Not where a format is made: one that was set when less was refused is still read.
    """
    _check_columns(format_)
    for name, words in (
        ("columns", format_.columns.values()),
        ("kinds", format_.kinds),
        ("codes", format_.codes),
    ):
        if len({plain(word) for word in words}) < len(words):
            raise unprocessable(
                name, "Must differ by more than capitals and blanks: they do not matter"
            )
    for word, kind in format_.kinds.items():
        if plain(word) in set(Kind) and plain(word) != kind:
            raise unprocessable("kinds", f"{plain(word)} is a word of ours, and keeps its meaning")


def _check_columns(format_: ReportFormat) -> None:
    columns, fixed = format_.columns.keys(), format_.fixed_kind
    if not columns & {Field.CASE_ID, Field.FILE_NUMBER}:
        raise unprocessable("columns", "Must hold case_id or file_number")
    if fixed is None:
        if Field.KIND not in columns:
            raise unprocessable("columns", "Must hold kind, unless fixed_kind is given")
        return
    if Field.KIND in columns:
        raise unprocessable("fixed_kind", "Must not be given where columns hold kind")
    needed = [name for name, is_needed in FIELDS[fixed].items() if is_needed]
    if fixed in BY_ID_ONLY:
        needed.insert(0, Field.CASE_ID)
    if not columns >= set(needed):
        raise unprocessable("columns", f"Must hold what {fixed} needs: {', '.join(needed)}")


OWN_FORMAT = ReportFormat(columns={name: name.value for name in Field})
"""How a file is read whose partner has no format: any of our own headings, and no others."""
