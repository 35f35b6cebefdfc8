"""What the routes of case-service share: roles, what staff give, and how a case is locked."""

import re
from datetime import date
from typing import Annotated, Final
from uuid import UUID

from fastapi import Request
from pydantic import BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.case import Case, Key
from case_service.ledger.occasion import ActorKind, Occasion
from contracts import Amount, Currency, Money
from kit.auth import Principal, requires
from kit.clock import now
from kit.http import Body, cause_of, check_if_match
from kit.problems import not_found

Reader = Annotated[Principal, requires("collection:read")]
Manager = Annotated[Principal, requires("collection:manage")]
Cashier = Annotated[Principal, requires("collection:finance")]

Comment = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _as_written(value: object) -> object:
    """Take text only: a number would else be read as seconds since 1970."""
    if not isinstance(value, str) or _DAY.fullmatch(value) is None:
        raise PydanticCustomError("day", "Must be a day such as 2026-03-01")
    return value


GivenDay = Annotated[date, BeforeValidator(_as_written)]
"""A day, as in 2026-03-01."""


class GivenMoney(Body):
    """An amount and its currency."""

    amount: Amount
    """Decimal string with two decimals, such as 12.30."""
    currency: Currency
    """ISO 4217 code."""

    @property
    def money(self) -> Money:
        """Return it as the rules take it."""
        return Money(amount=self.amount, currency=self.currency)


def occasion_of(request: Request, principal: Principal, comment: str | None = None) -> Occasion:
    """Say that staff do something now."""
    return Occasion(
        ActorKind.STAFF, principal.subject, now(), cause_of(request, principal), comment
    )


async def lock_case(
    connection: AsyncConnection, principal: Principal, case_id: UUID, request: Request
) -> Case:
    """Load and lock a case to change it; raises the 404, and the 412 for a stale `If-Match`."""
    key = (principal.tenant_id, case_id)
    return _seen(await store.lock_cases(connection, [key]), key, principal, request)


async def lock_cases_of_member(
    connection: AsyncConnection, principal: Principal, case_id: UUID, request: Request
) -> tuple[Case, dict[Key, Case]]:
    """Load and lock a case and all others of its member; raises as `lock_case` does.

    A payment may have shares on other cases of the member, also of studios that the caller may not
    see: what is taken back there belongs to the payment.
    """
    key = (principal.tenant_id, case_id)
    members = await store.members_of_cases(connection, [key])
    cases = await store.lock_cases_of_members(connection, members) if members else {}
    return _seen(cases, key, principal, request), cases


def _seen(cases: dict[Key, Case], key: Key, principal: Principal, request: Request) -> Case:
    case = cases.get(key)
    if case is None or not principal.may_see(case.studio_id):
        raise not_found()
    check_if_match(request, case.version)
    return case
