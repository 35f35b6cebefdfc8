"""The kinds of problem that only run-service answers with."""

from typing import Final

from kit.problems import define

MEMBERS_CHANGED: Final = define(
    "members-changed",
    409,
    "Members changed since the preview",
    "Make a new preview, or send `leave_out_changed` to go on without the members that `members` "
    "names.",
)
CLAIMS_ALREADY_IN_COLLECTION: Final = define(
    "claims-already-in-collection",
    409,
    "Claims are in another handover by now",
    "Make a new preview, or send `leave_out_changed` to go on without the members that `members` "
    "names.",
)
PREVIEW_USED: Final = define(
    "preview-used", 409, "A run was made of this preview", "Make a new preview."
)
PREVIEW_EXPIRED: Final = define(
    "preview-expired", 410, "The preview has expired", "Make a new preview."
)
NOBODY_TO_HAND_OVER: Final = define(
    "nobody-to-hand-over",
    409,
    "No member is left to hand over",
    "Take members in, or make a new preview.",
)
TOO_MANY_STUDIOS: Final = define(
    "too-many-studios",
    409,
    "The run would have too many studios",
    "Make previews of fewer studios with `studio_ids`.",
)
PARTNER_PAUSED: Final = define(
    "partner-paused",
    409,
    "The partner takes no new runs",
    "Choose another partner, or set the partner to ACTIVE.",
)
MEMBER_CANNOT_BE_TAKEN_IN: Final = define(
    "member-cannot-be-taken-in",
    409,
    "The member cannot be handed over",
    "Leave the member out; `left_out_reason` of the preview says why.",
)
MEMBER_NOT_HANDED_OVER: Final = define(
    "member-not-handed-over",
    409,
    "The member cannot be handed over",
    "`reason` says why: it is in collection already, owes nothing that can be handed over, or is "
    "left out of runs, too.",
)
ALL_STUDIOS_NEEDED: Final = define(
    "all-studios-needed",
    403,
    "You may not see all studios",
    "Ask somebody who may see all studios of the tenant.",
)
RUN_NOT_REVERSIBLE: Final = define(
    "run-not-reversible",
    409,
    "The run cannot be reversed",
    "Nothing is to be done: the partner refused each member, and the claims are free.",
)
OTHER_STUDIOS: Final = define(
    "other-studios",
    403,
    "The run holds studios that you may not see",
    "Ask somebody who may see each studio of the run.",
)
