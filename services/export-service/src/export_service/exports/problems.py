"""Problems that exports give."""

from typing import Final

from kit.problems import define

NOT_READY: Final = define(
    "export-not-ready",
    409,
    "The file is not ready",
    "Ask for the export until its status is COMPLETED; one that FAILED or was CANCELLED has none.",
)
GONE: Final = define(
    "export-gone", 410, "The file has expired", "Create the export again; the run is still there."
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
