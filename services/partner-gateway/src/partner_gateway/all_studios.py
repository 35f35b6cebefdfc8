"""Some things hold what is of any studio: only who may see all studios may see them (R63)."""

from typing import Final

from kit.auth import Principal
from kit.problems import define, problem

ALL_STUDIOS_NEEDED: Final = define(
    "all-studios-needed",
    403,
    "You may not see all studios",
    "Ask somebody who may see all studios of the tenant.",
)


def must_see_all_studios(principal: Principal) -> None:
    """Raise the 403 for who sees some studios only."""
    if principal.studio_ids is not None:
        raise problem(ALL_STUDIOS_NEEDED)
