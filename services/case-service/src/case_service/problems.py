"""The problems that only case-service answers with."""

from typing import Final

from case_service.cases.case import Case, Status
from kit.problems import define, problem

CASE_NOT_OPEN: Final = define(
    "case-not-open",
    409,
    "The case is not open",
    "Read the case: its `status` says whether it still waits for the partner or how it ended.",
)
ALL_STUDIOS_NEEDED: Final = define(
    "all-studios-needed",
    403,
    "You may not see all studios",
    "Ask somebody who may see all studios of the tenant.",
)


def require_open(case: Case) -> None:
    """Raise the 409 unless the partner works the case."""
    if case.status is not Status.OPEN:
        raise problem(CASE_NOT_OPEN, f"The status of the case is {case.status}.")
