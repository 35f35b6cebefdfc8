"""The kinds of problem that only imports answer with."""

from typing import Final

from kit.problems import define

IMPORT_NOT_CHECKED: Final = define(
    "import-not-checked",
    409,
    "The import cannot be published",
    "Only an import whose status is CHECKED can be published, and only once: ask for its status.",
)
IMPORT_HAS_BAD_ROWS: Final = define(
    "import-has-bad-rows",
    409,
    "Rows of the import are bad",
    "Correct the rows that its errors name and import the files again, or send "
    "`leave_out_bad_rows` to publish the others.",
)
IMPORT_UNDER_WAY: Final = define(
    "import-under-way",
    409,
    "The import is published already, or just now",
    "Nothing is to be done: what was published cannot be taken back, only corrected by an import.",
)
