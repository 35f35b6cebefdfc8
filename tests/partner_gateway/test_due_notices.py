"""That a partner must be told something is written straight, as its contract's model writes it."""

from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts import NoticeDueV1
from kit.trace import Cause
from partner_gateway.notices.notice import CaseNotice, Kind, Status

IDS = st.tuples(*[st.uuids()] * 6)
KINDS = st.sampled_from(("STOP", "STUDIO_PAYMENT", "CLAIM_CHANGED"))


@given(IDS, KINDS, st.dates(), st.datetimes(timezones=st.just(UTC)))
def test_what_is_due_is_written_as_its_contract_writes_it(
    ids: tuple[UUID, ...], kind: Kind, due_on: date, time: datetime
) -> None:
    notice_id, partner_id, case_id, run_id, member_id, studio_id = ids
    notice = CaseNotice(
        notice_id=notice_id,
        partner_id=partner_id,
        case_id=case_id,
        run_id=run_id,
        member_id=member_id,
        studio_id=studio_id,
        kind=kind,
        status=Status.DUE,
        due_on=due_on,
        request_id=None,
        cause=Cause(UUID(int=1), "correlation-1", None),
    )
    event = NoticeDueV1(
        notice_id=notice_id,
        case_id=case_id,
        run_id=run_id,
        member_id=member_id,
        partner_id=partner_id,
        kind=kind,
        occurred_at=time,
        due_on=due_on,
    )
    event_class, key, payload = notice.due(time)
    assert (event_class, key) == (NoticeDueV1, event.key())
    assert payload == event.model_dump_json().encode()
