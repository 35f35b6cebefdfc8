"""The readers of exported files that the demo checks with."""

from decimal import Decimal
from pathlib import Path
from uuid import UUID

import openpyxl

from local_stack.export_files import read_xlsx

COLUMNS = ("CaseId", "Amount", "Currency", "ClientId")


def test_claims_of_all_sheets_are_read(tmp_path: Path) -> None:
    """R40: a large run fills several sheets; the sums stand between them."""
    book = openpyxl.Workbook()
    sheets = [book.create_sheet(name) for name in ("Forderungen", "Zusammenfassung")]
    sheets.append(book.create_sheet("Forderungen 2"))
    for number, sheet in enumerate(sheets):
        sheet.append(COLUMNS)
        for row in range(number + 1):
            sheet.append((f"case-{number}-{row}", 1.1, "EUR", str(UUID(int=number))))
    book.save(tmp_path / "run.xlsx")

    content = read_xlsx(tmp_path / "run.xlsx")
    assert content.columns == COLUMNS
    assert (content.figures.members, content.figures.claims) == (4, 4)
    assert content.figures.totals == {"EUR": Decimal("4.40")}
    assert content.studio_ids == {UUID(int=0), UUID(int=2)}
