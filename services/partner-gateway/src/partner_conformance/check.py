"""Checks all rules at a sandbox, one after the other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from partner_conformance.rules import RULES, Rule
from partner_conformance.sandbox import NoAnswerError, UnreachableError
from partner_conformance.session import NotCheckedError, Session, ViolatedError


class Verdict(StrEnum):
    """What was found of a rule."""

    HOLDS = "holds"
    VIOLATED = "does not hold"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a rule, and what was seen."""

    rule: Rule
    verdict: Verdict
    seen: str


async def check(session: Session) -> AsyncIterator[Finding]:
    """Check the rules; raises `UnreachableError` if nobody is there at the beginning.

    Without a first handover nothing else can be said.
    """
    first, *others = RULES
    finding = await _check(session, first, at_first=True)
    yield finding
    for rule in others:
        if finding.verdict is Verdict.VIOLATED:
            yield Finding(rule, Verdict.NOT_CHECKED, "no handover was taken")
        else:
            yield await _check(session, rule)


async def _check(session: Session, rule: Rule, *, at_first: bool = False) -> Finding:
    try:
        return Finding(rule, Verdict.HOLDS, await rule.check(session))
    except UnreachableError as error:
        if at_first:
            raise
        return Finding(rule, Verdict.VIOLATED, str(error))
    except (ViolatedError, NoAnswerError) as error:
        return Finding(rule, Verdict.VIOLATED, str(error))
    except NotCheckedError as error:
        return Finding(rule, Verdict.NOT_CHECKED, str(error))
