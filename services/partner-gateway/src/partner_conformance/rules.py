"""The rules of the Partner API that can be seen from outside, and how each is checked.

A check returns what it saw; it raises `ViolatedError` or `NotCheckedError` otherwise. The order
counts: the first handover is what the later ones build upon.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from partner_conformance import samples
from partner_conformance.listener import Call
from partner_conformance.samples import Body
from partner_conformance.sandbox import HANDOVERS, NOTICES, Answer, encoded
from partner_conformance.session import NotCheckedError, Session, ViolatedError
from partner_conformance.shapes import UnreadableError, handover_answer, notice_answer
from partner_conformance.signatures import sign

_OTHER_SECRET: Final = "whsec_YW5vdGhlciBzZWNyZXQgdGhhbiB0aGlzIGFnZW5jeSBoYXM="  # noqa: S105
_TEN_MINUTES: Final = 600
_PAGE_SIZE: Final = 200
_NOTICE_TRIES: Final = 3
_NOTICE_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that must hold at every agency."""

    name: str
    says: str
    check: Callable[[Session], Awaitable[str]]


async def _handover_taken(session: Session) -> str:
    session.first = await session.hand_over(session.page)
    return f"status {session.first.status} after {session.first.seconds:.2f} s"


async def _handover_answer(session: Session) -> str:
    try:
        results = handover_answer(session.first.body).results or []
    except UnreadableError as error:
        raise ViolatedError(str(error)) from None
    own = set(samples.case_ids(session.page))
    if strange := [result for result in results if str(result.case_id) not in own]:
        raise ViolatedError(f"{len(strange)} results for cases that are not on the page")
    return f"{len(results)} of {len(own)} cases answered at once"


async def _same_answer(session: Session) -> str:
    first, again = session.first, await session.hand_over(session.page)
    if (first.status, first.value) != (again.status, again.value):
        raise ViolatedError(f"status {first.status}, then {again.status}, or another body")
    return f"status {again.status} and the same body"


async def _wrong_signature(session: Session) -> str:
    page, notice = samples.page(1), samples.notice(session.page["items"][0], "STOP")
    for path, request in ((HANDOVERS, page), (NOTICES, notice)):
        body, id_ = encoded(request), request["request_id"]
        right = sign(session.sandbox.secret, id_, body)
        unsigned = {key: value for key, value in right.items() if key != "webhook-signature"}
        wrong: list[tuple[str, dict[str, str], bytes]] = [
            ("with another secret", sign(_OTHER_SECRET, id_, body), body),
            ("with a changed body", right, body + b" "),
            ("with another webhook-id", {**right, "webhook-id": samples.new_id()}, body),
            ("without a signature", unsigned, body),
        ]
        for what, headers, content in wrong:
            answer = await session.sandbox.send(path, request, headers=headers, body=content)
            _must_be_401(answer, f"{path} {what}")
    return "401 for another secret, a changed body, another id, no signature"


async def _old_timestamp(session: Session) -> str:
    page = samples.page(1)
    for age, what in ((_TEN_MINUTES, "10 min old"), (-_TEN_MINUTES, "10 min ahead")):
        headers = sign(session.sandbox.secret, page["request_id"], encoded(page), age)
        _must_be_401(await session.sandbox.send(HANDOVERS, page, headers=headers), what)
    return "401 for 10 min old and 10 min ahead"


async def _two_signatures(session: Session) -> str:
    page = samples.page(1)
    body = encoded(page)
    other = sign(_OTHER_SECRET, page["request_id"], body)["webhook-signature"]
    right = sign(session.sandbox.secret, page["request_id"], body)
    both = {**right, "webhook-signature": f"{other} {right['webhook-signature']}"}
    answer = await session.sandbox.send(HANDOVERS, page, headers=both)
    session.keep(page, answer)
    if not answer.taken:
        raise ViolatedError(f"status {answer.status}")
    return f"status {answer.status}"


async def _unknown_fields(session: Session) -> str:
    answer = await session.hand_over(samples.with_unknown_fields(samples.page(1)))
    return f"status {answer.status}"


async def _full_page(session: Session) -> str:
    page = samples.page(_PAGE_SIZE)
    answer = await session.hand_over(page)
    return f"status {answer.status} for {len(encoded(page)):,} bytes"


async def _notices(session: Session) -> str:
    case = session.page["items"][0]
    kinds = ("STUDIO_PAYMENT", "CLAIM_CHANGED", "STOP")
    for kind in kinds:
        await _acknowledged(session, samples.notice(case, kind))
    return f"{', '.join(kinds)} acknowledged"


async def _notice_again(session: Session) -> str:
    notice = samples.notice(session.page["items"][1], "STOP")
    first = await _acknowledged(session, notice)
    again = await _acknowledged(session, notice)
    return f"status {first.status}, then {again.status}"


async def _unknown_notice(session: Session) -> str:
    notice = samples.notice(session.page["items"][2], "OF_LATER_DAYS")
    return f"status {(await _acknowledged(session, notice)).status}"


async def _in_time(session: Session) -> str:
    slowest, limit = session.sandbox.slowest, session.sandbox.limit
    if slowest >= limit:
        raise ViolatedError(f"an answer took longer than {limit:g} s")
    return f"the slowest answer took {slowest:.2f} s"


async def _decided(session: Session) -> str:
    await session.callbacks()
    if undecided := session.undecided():
        raise ViolatedError(f"{len(undecided)} cases without an answer after {session.wait:g} s")
    at_once = len(set(samples.case_ids(session.page)) & session.results.keys())
    return f"all {len(samples.case_ids(session.page))} cases, {at_once} of them at once"


async def _acts_once(session: Session) -> str:
    for said in session.results.values():
        if len(set(said)) > 1:
            raise ViolatedError("another result for the same case when the request came again")
    if session.listener is None:
        if not session.results:
            raise NotCheckedError("all is told by callback: give --callback-port")
        return "the same results again; callbacks were not looked at"
    await session.callbacks()
    twice = [ids for ids in session.decisions().values() if len(ids) > 1]
    if twice:
        raise ViolatedError(f"{len(twice)} cases decided under several webhook-ids")
    return "one decision for each case"


async def _callbacks_signed(session: Session) -> str:
    calls = await _calls(session)
    if faults := sorted({call.signature_fault for call in calls if call.signature_fault}):
        raise ViolatedError("; ".join(faults))
    return f"{len(calls)} callbacks"


async def _callbacks_shaped(session: Session) -> str:
    calls = await _calls(session)
    if faults := sorted({call.shape_fault for call in calls if call.shape_fault}):
        raise ViolatedError("; ".join(faults[:3]))
    return ", ".join(sorted({call.said.type for call in calls if call.said is not None}))


async def _callbacks_repeated(session: Session) -> str:
    await _calls(session)
    listener = await session.callbacks()
    failed = listener.failed_call
    if failed is None:
        raise NotCheckedError("no callback was signed right")
    if not listener.repetitions:
        raise ViolatedError(f"answered with 500, it did not come again within {session.wait:g} s")
    if any(call.body != failed.body for call in listener.repetitions):
        raise ViolatedError("it came again under the same webhook-id with another body")
    return "came again unchanged after a 500"


async def _callbacks_about_own(session: Session) -> str:
    said = [call.said.data for call in await _calls(session) if call.said is not None]
    named = {str(data["case_id"]) for data in said if "case_id" in data}
    if strange := named - session.taken:
        raise ViolatedError(f"{len(strange)} cases that it had refused to take, or never got")
    return f"{len(named)} cases"


RULES: Final = (
    Rule("handover-taken", "A handover that is signed right is taken", _handover_taken),
    Rule("handover-answer", "Its answer has the documented shape", _handover_answer),
    Rule("same-answer-again", "The same request_id again gets the same answer", _same_answer),
    Rule("wrong-signature", "What is not signed right is refused with 401", _wrong_signature),
    Rule("old-timestamp", "What is more than 300 s off is refused with 401", _old_timestamp),
    Rule("two-signatures", "One signature of several is enough", _two_signatures),
    Rule("unknown-fields", "Unknown fields are passed over", _unknown_fields),
    Rule("full-page", f"A page of {_PAGE_SIZE} cases is taken", _full_page),
    Rule("notices", "Notices of every kind are acknowledged", _notices),
    Rule("notice-again", "The same notice again is acknowledged again", _notice_again),
    Rule("unknown-notice", "A notice of an unknown kind is acknowledged", _unknown_notice),
    Rule("decided", "Every case is accepted or refused, at once or later", _decided),
    Rule("acts-once", "A request that comes again acts once", _acts_once),
    Rule("callbacks-signed", "Callbacks are signed right", _callbacks_signed),
    Rule("callbacks-shaped", "Callbacks have the documented shape", _callbacks_shaped),
    Rule("callbacks-repeated", "A callback is repeated until a 2xx", _callbacks_repeated),
    Rule("callbacks-about-own", "Callbacks name cases that were taken", _callbacks_about_own),
    Rule("in-time", "Every answer comes in time", _in_time),
)
"""All rules, in the order in which they are checked."""


async def _acknowledged(session: Session, notice: Body) -> Answer:
    """Send a notice until it is acknowledged, as the gateway would, but a few times only."""
    for _ in range(_NOTICE_TRIES):
        answer = await session.sandbox.send(NOTICES, notice)
        if not answer.taken:
            raise ViolatedError(f"{notice['kind']}: status {answer.status}")
        try:
            if notice_answer(answer.body).acknowledged:
                return answer
        except UnreadableError as error:
            raise ViolatedError(f"{notice['kind']}: {error}") from None
        await asyncio.sleep(min(_NOTICE_PAUSE, session.wait))
    raise ViolatedError(f"{notice['kind']}: not acknowledged, asked {_NOTICE_TRIES} times")


async def _calls(session: Session) -> Sequence[Call]:
    """Wait for callbacks and return them; raises `NotCheckedError` if there are none."""
    calls = (await session.callbacks()).calls
    if not calls:
        raise NotCheckedError("no callback came")
    return calls


def _must_be_401(answer: Answer, what: str) -> None:
    if answer.status != 401:
        raise ViolatedError(f"{what}: status {answer.status}")
