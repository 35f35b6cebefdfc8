"""Values built to break writers of spreadsheets, and what a reader is to find (R41)."""

from export_service.rendering.xlsx_cells import CUT_MARK, LONGEST_TEXT

_KEPT = (
    '<r><t>=HYPERLINK("http://example.org","Beleg")</t></r>',
    "<f>1+1</f>",
    "]]>",
    "<![CDATA[x]]>",
    "&amp; &lt; &#13;",
    '=HYPERLINK("http://example.org","Beleg")',
    "=1+1",
    "+1+1",
    "-1",
    "@SUM(1)",
    "＝1+1",
    "'=1+1",
    "\t=1",
    "\n=1",
    "=cmd|' /C calc'!A0",
    "_x0041_",
    "_x0041_x0042_x00e4_",
    "  _x000D_ ",
    "_x005F_x0041_",
    " Leerzeichen  ",
    "zwei\nZeilen",
    "drei\r\nganze\rZeilen",
    "00123",
    "1E5",
    "TRUE",
    "2026-03-02",
    "+491701234567",
    '"',
    "Zoë \U0001f600 \u2028 \xa0",
    "x" * LONGEST_TEXT,
)
_ROOM = LONGEST_TEXT - len(CUT_MARK)

TEXTS: dict[str, str] = {
    **{text: text for text in _KEPT},
    "\x00": "\ufffd",
    "=\x00\x01\x08\x0b\x0c\x0e\x1f": "=" + "\ufffd" * 7,
    "\ufffe\uffff": "\ufffd\ufffd",
    "\ud800": "\ufffd",
    "a\udc00\ud800b": "a\ufffd\ufffdb",
    "x" * 40_000: "x" * _ROOM + CUT_MARK,
    "\U0001f600" * 20_000: "\U0001f600" * (_ROOM // 2) + CUT_MARK,
    "\x00" * 40_000: "\ufffd" * _ROOM + CUT_MARK,
}
"""Texts, and what stands in their cells."""

AMOUNTS = ("0.00", "0.01", "0.10", "-3.33", "99999999.99", "999999999999.99")

DATES = ("2026-03-02", "1900-03-01", "9999-12-31")
DATES_AS_TEXT = ("1900-02-28", "1899-12-31", "1899-12-30", "0987-01-02")
"""The format believes in a 29 February 1900, and in nothing before that year."""
