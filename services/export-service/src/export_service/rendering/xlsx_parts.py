"""The parts of a workbook that are not rows (ECMA-376, SpreadsheetML)."""

from collections.abc import Sequence
from dataclasses import dataclass

from export_service.rendering.xlsx_cells import column_letters, escaped

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"

ROOT_RELATIONS = (
    f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>"
)

# Cell styles: general, bold header, text (@, and the quote prefix that keeps a text a text when it
# is edited), date, amount. xlsx_cells names their positions.
STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="dd\\.mm\\.yyyy"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="5"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"'
    ' applyFont="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"'
    ' quotePrefix="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="4" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A finished sheet; `filtered` is its autofilter's number of columns and rows.

    `number` says which part of the archive it is, wherever it stands in the workbook.
    """

    number: int
    name: str
    filtered: tuple[int, int] | None = None

    def filter_range(self, fixed: str = "") -> str:
        """The range of the autofilter, like A1:B3, with `fixed` ("$") before each coordinate."""
        columns, rows = self.filtered or (1, 1)
        return f"{fixed}A{fixed}1:{fixed}{column_letters(columns)}{fixed}{rows}"


def part_name(number: int) -> str:
    """Where in the archive the sheet with this number (from 1) stands."""
    return f"xl/worksheets/sheet{number}.xml"


def sheet_head(widths: Sequence[int], *, selected: bool) -> str:
    """The beginning of a sheet, up to its first row, which is frozen. Widths are in characters."""
    columns = "".join(
        f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>'
        for number, width in enumerate(widths, 1)
    )
    tab = ' tabSelected="1"' if selected else ""
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView{tab} workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        '<selection pane="bottomLeft"/></sheetView></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/><cols>{columns}</cols><sheetData>'
    )


def sheet_tail(sheet: Sheet) -> str:
    """The end of a sheet, after its last row: the filter, and no warnings of texts with digits."""
    if sheet.filtered is None:
        return "</sheetData></worksheet>"
    rows = sheet.filter_range()
    return (
        f'</sheetData><autoFilter ref="{rows}"/><ignoredErrors>'
        f'<ignoredError sqref="{rows}" numberStoredAsText="1"/></ignoredErrors></worksheet>'
    )


def workbook(sheets: Sequence[Sheet]) -> str:
    """The sheets in this order, and the hidden names that Excel expects beside autofilters."""
    tabs = "".join(
        f'<sheet name="{escaped(sheet.name)}" sheetId="{sheet.number}" r:id="rId{sheet.number}"/>'
        for sheet in sheets
    )
    names = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{position}" hidden="1">'
        f"'{escaped(sheet.name)}'!{sheet.filter_range('$')}</definedName>"
        for position, sheet in enumerate(sheets)
        if sheet.filtered
    )
    return (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_DOCUMENT}"><sheets>{tabs}</sheets>'
        f"<definedNames>{names}</definedNames></workbook>"
    )


def workbook_relations(sheets: int) -> str:
    """Where the workbook finds so many sheets, and its styles."""
    targets = "".join(
        f'<Relationship Id="rId{number}" Type="{_DOCUMENT}/worksheet"'
        f' Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, sheets + 1)
    )
    return (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{targets}'
        f'<Relationship Id="rId{sheets + 1}" Type="{_DOCUMENT}/styles" Target="styles.xml"/>'
        "</Relationships>"
    )


def content_types(sheets: int) -> str:
    """What each part of the archive is, so many sheets among them."""
    overrides = "".join(
        f'<Override PartName="/{part_name(number)}" ContentType="{_CONTENT}.worksheet+xml"/>'
        for number in range(1, sheets + 1)
    )
    return (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_CONTENT}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_CONTENT}.styles+xml"/>'
        f"{overrides}</Types>"
    )
