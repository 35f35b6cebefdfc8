"""Problems that exports give."""

from typing import Final

from kit.problems import define

NOT_READY: Final = define(
    "export-not-ready",
    409,
    "The file is not ready",
    "Ask for the export until its status is COMPLETED.",
)
NO_FILE: Final = define(
    "export-has-no-file",
    409,
    "The export has no file, and will have none",
    "It was cancelled, or has failed: then `reason_code` says why. Order it again.",
)
GONE: Final = define(
    "export-gone",
    410,
    "The file has expired",
    "Order it again. That of a run needs its details, which are kept for a time, too.",
)
TOO_MANY: Final = define(
    "too-many-exports",
    429,
    "Too many exports have not ended",
    "Cancel what is not needed, or wait until some have ended.",
)
DETAILS_GONE: Final = define(
    "run-details-gone",
    410,
    "The details of the run are deleted",
    "They are kept for a time that the operators set. The members overview still has its cases.",
)
ENDED: Final = define(
    "export-ended",
    409,
    "The export has ended",
    "Only one that is WAITING or RUNNING can be cancelled.",
)
