"""The kinds of problem that only report files answer with."""

from typing import Final

from kit.problems import define

NOT_CHECKED: Final = define(
    "report-file-not-checked",
    409,
    "The report file cannot be applied",
    "Only a file whose status is CHECKED can be applied, and only once: ask for its status.",
)
HAS_BAD_ROWS: Final = define(
    "report-file-has-bad-rows",
    409,
    "Rows of the report file are bad",
    "Correct the rows that its errors name and send the file again, or send `leave_out_bad_rows` "
    "to apply the others.",
)
UNDER_WAY: Final = define(
    "report-file-under-way",
    409,
    "The report file is applied already, or just now",
    "Nothing is to be done: what was reported is corrected by another report.",
)
