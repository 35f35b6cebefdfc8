"""What partner-gateway says of its notices is kept, to be shown with their cases (R52)."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.rows import given
from case_service.tables import notices
from contracts import (
    NoticeAcknowledgedV1,
    NoticeDueV1,
    NoticeFailedV1,
    NoticeOverdueV1,
    NoticeSentV1,
)

Notice = NoticeDueV1 | NoticeSentV1 | NoticeAcknowledgedV1 | NoticeFailedV1 | NoticeOverdueV1


class NoticeStatus(StrEnum):
    """How far a notice has come; it only goes back from FAILED to SENT, when it is sent again."""

    DUE = "DUE"
    SENT = "SENT"
    FAILED = "FAILED"
    ACKNOWLEDGED = "ACKNOWLEDGED"


async def keep_notices(
    connection: AsyncConnection, told: Sequence[tuple[Notice, UUID]], status: NoticeStatus
) -> None:
    """Keep how far notices have come, in whatever order it is heard; each comes with its tenant.

    What is overdue may have come any far: it is at least DUE.
    """
    rows = {
        (tenant_id, notice.notice_id): {
            "tenant_id": tenant_id,
            "notice_id": notice.notice_id,
            "case_id": notice.case_id,
            "kind": notice.kind,
            "status": status,
            "due_on": (
                notice.due_on if isinstance(notice, NoticeDueV1 | NoticeOverdueV1) else None
            ),
            "overdue_since": notice.occurred_at if isinstance(notice, NoticeOverdueV1) else None,
            "changed_at": notice.occurred_at,
        }
        for notice, tenant_id in told
    }
    ordered = [rows[key] for key in sorted(rows)]
    new = postgresql.insert(notices).from_select(list(ordered[0]), select(given(notices, ordered)))
    ranks = {each.value: rank for rank, each in enumerate(NoticeStatus)}
    is_further = or_(
        case(ranks, value=new.excluded.status) > case(ranks, value=notices.c.status),
        and_(
            notices.c.status == NoticeStatus.FAILED.value,
            new.excluded.status == NoticeStatus.SENT.value,
            new.excluded.changed_at > notices.c.changed_at,
        ),
    )
    await connection.execute(
        new.on_conflict_do_update(
            index_elements=["tenant_id", "notice_id"],
            set_={
                "status": case((is_further, new.excluded.status), else_=notices.c.status),
                "changed_at": case(
                    (is_further, new.excluded.changed_at), else_=notices.c.changed_at
                ),
                "due_on": func.coalesce(notices.c.due_on, new.excluded.due_on),
                "overdue_since": func.coalesce(notices.c.overdue_since, new.excluded.overdue_since),
            },
        )
    )
