"""An agency of another kind: it never calls back, but answers how each case stands when asked.

Its API is its own: `POST /assignments` and `POST /instructions` take cases and what is to be done
with them, `GET /balances` tells every change of a case as sums in cents. It asks for a bearer token
if it was given one. Everything else here steers it, and asks for nothing.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field

State = Literal["OPEN", "DECLINED", "CLOSED"]
_LARGEST_PAGE = 1000
_CODE_ABROAD = 12


class Behaviour(BaseModel):
    """How the agency behaves, for `POST /behaviour`; what is left out is as by default."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    token: str | None = Field(default=None, repr=False)
    """What must come as `Authorization: Bearer`; null: nothing."""
    answer: Literal["NOW", "LATER"] = "NOW"
    """Whether an assignment is answered at once, or by the balances."""
    decline_every: int = Field(default=0, ge=0)
    """Each so-manieth case is declined; 0: none."""
    repeat: int = Field(default=0, ge=0)
    """How many balances that were told before are told again with every page."""
    shuffle: bool = False
    """Whether the balances of a page come in any order."""
    unavailable: bool = False
    """503 for everything."""


class _Position(BaseModel):
    remaining_cents: int = Field(ge=0)


class _NewDossier(BaseModel):
    client_ref: UUID
    currency: str
    positions: list[_Position] = Field(min_length=1)


class _Assignment(BaseModel):
    batch_id: UUID
    dossiers: list[_NewDossier] = Field(min_length=1)


class _Instruction(BaseModel):
    instruction_id: UUID
    instruction: Literal["HALT", "CREDIT", "CORRECTION"]
    client_ref: UUID
    dossier_remaining_cents: int | None = None


class DossierChange(BaseModel):
    """What is new about a dossier, for `POST /dossiers/{client_ref}`; what is left out stays."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    paid_cents: int | None = Field(default=None, ge=0)
    """What the debtor paid so far."""
    own_fees_cents: int | None = Field(default=None, ge=0)
    """What of it the agency keeps."""
    dossier_no: str | None = None
    state: State | None = None
    code: int | None = None
    """Why it is declined."""
    text: str | None = None
    """The same in words."""
    result: int | None = None
    """What came of a closed one: 1 paid, 2 partly paid, 3 unpaid."""
    currency: str | None = None
    as_of: date | None = None
    """Default: today."""


@dataclass
class Dossier:
    """A case as the agency keeps it."""

    client_ref: UUID
    currency: str
    remaining_cents: int
    dossier_no: str | None
    state: State
    code: int | None = None
    text: str | None = None
    result: int | None = None
    paid_cents: int = 0
    own_fees_cents: int = 0
    instructions: list[str] = field(default_factory=list)

    def balance(self, number: int, as_of: date) -> dict[str, Any]:
        """Tell how it stands."""
        return {
            "number": number,
            "client_ref": str(self.client_ref),
            "dossier_no": self.dossier_no,
            "as_of": as_of.isoformat(),
            "currency": self.currency,
            "paid_cents": self.paid_cents,
            "own_fees_cents": self.own_fees_cents,
            "state": self.state,
            "code": self.code,
            "text": self.text,
            "result": self.result,
        }


class BalancesAgency:
    """The agency's memory."""

    def __init__(self, seed: int) -> None:
        self.behaviour = Behaviour()
        self.dossiers: dict[UUID, Dossier] = {}
        self.balances: list[Any] = []
        """All that was ever told; the first one has the number 1."""
        self.counts: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._answers: dict[UUID, dict[str, Any] | None] = {}
        self._instructions: set[UUID] = set()

    def take(self, assignment: _Assignment) -> dict[str, Any] | None:
        """Take cases in, once for each batch; return the answer, None for none yet."""
        if assignment.batch_id in self._answers:
            self.counts["repeated_assignments"] += 1
            return self._answers[assignment.batch_id]
        self.counts["assignments"] += 1
        dossiers = [self._decide(new) for new in assignment.dossiers]
        self.dossiers.update((dossier.client_ref, dossier) for dossier in dossiers)
        answer = None
        if self.behaviour.answer == "NOW":
            answer = _answer(dossiers)
        else:
            for dossier in dossiers:
                self.tell(dossier, _today())
        self._answers[assignment.batch_id] = answer
        return answer

    def follow(self, instruction: _Instruction) -> bool:
        """Do what is said about a case, once; False when it is not ours."""
        dossier = self.dossiers.get(instruction.client_ref)
        if dossier is None:
            return False
        if instruction.instruction_id not in self._instructions:
            self._instructions.add(instruction.instruction_id)
            self.counts["instructions"] += 1
            dossier.instructions.append(instruction.instruction)
            if instruction.dossier_remaining_cents is not None:
                dossier.remaining_cents = instruction.dossier_remaining_cents
        return True

    def change(self, dossier: Dossier, change: DossierChange) -> dict[str, Any]:
        """Change a dossier and tell it."""
        for name, value in change.model_dump(exclude_unset=True, exclude={"as_of"}).items():
            setattr(dossier, name, value)
        return self.tell(dossier, change.as_of or _today())

    def tell(self, dossier: Dossier, as_of: date) -> dict[str, Any]:
        """Let the next poll say how a dossier stands."""
        balance = dossier.balance(len(self.balances) + 1, as_of)
        self.balances.append(balance)
        return balance

    def page(self, after: int, limit: int) -> dict[str, Any]:
        """Return what was told behind a number, and if it is so steered, some of it again."""
        self.counts["polls"] += 1
        end = min(after + limit, len(self.balances))
        items = self.balances[max(after - self.behaviour.repeat, 0) : end]
        if self.behaviour.shuffle:
            self._chance.shuffle(items)
        return {"items": items, "next": str(end), "more": end < len(self.balances)}

    def _decide(self, new: _NewDossier) -> Dossier:
        self.counts["dossiers"] += 1
        every = self.behaviour.decline_every
        declined = bool(every) and self.counts["dossiers"] % every == 0
        self.counts["declined" if declined else "accepted"] += 1
        return Dossier(
            client_ref=new.client_ref,
            currency=new.currency,
            remaining_cents=sum(position.remaining_cents for position in new.positions),
            dossier_no=None if declined else f"D-{self.counts['dossiers']:06d}",
            state="DECLINED" if declined else "OPEN",
            code=_CODE_ABROAD if declined else None,
        )


def create_balances_app(seed: int = 1) -> FastAPI:
    """Return an agency with an empty memory."""
    agency = BalancesAgency(seed)
    app = FastAPI(title="Simulated agency that is polled")
    _add_api(app, agency)
    _add_steering(app, agency)
    return app


def _add_api(app: FastAPI, agency: BalancesAgency) -> None:
    async def check(authorization: Annotated[str | None, Header()] = None) -> None:
        if agency.behaviour.unavailable:
            raise HTTPException(503, "closed")
        token = agency.behaviour.token
        if token is not None and authorization != f"Bearer {token}":
            agency.counts["wrong_tokens"] += 1
            raise HTTPException(401, "not the token")

    may_ask = [Depends(check)]

    @app.post("/assignments", dependencies=may_ask, response_model=None)
    async def post_assignment(assignment: _Assignment) -> dict[str, Any] | Response:
        answer = agency.take(assignment)
        return Response(status_code=202) if answer is None else answer

    @app.post("/instructions", dependencies=may_ask)
    async def post_instruction(instruction: _Instruction) -> dict[str, bool]:
        if not agency.follow(instruction):
            raise HTTPException(404, "no such dossier")
        return {"done": True}

    @app.get("/balances", dependencies=may_ask)
    async def get_balances(
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = 100,
    ) -> dict[str, Any]:
        return agency.page(after, limit)


def _add_steering(app: FastAPI, agency: BalancesAgency) -> None:
    @app.post("/behaviour")
    async def post_behaviour(behaviour: Behaviour) -> dict[str, Any]:
        """Set how the agency behaves from now on."""
        agency.behaviour = behaviour
        return behaviour.model_dump(exclude={"token"})

    @app.get("/state")
    async def get_state() -> dict[str, int]:
        """Count what came in and was asked."""
        return dict(agency.counts)

    @app.get("/dossiers")
    async def get_dossiers() -> dict[str, Any]:
        """List the dossiers."""
        return {"items": list(agency.dossiers.values())}

    @app.post("/dossiers/{client_ref}")
    async def post_dossier(client_ref: UUID, change: DossierChange) -> dict[str, Any]:
        """Change what the agency tells of a dossier."""
        dossier = agency.dossiers.get(client_ref)
        if dossier is None:
            raise HTTPException(404, "no such dossier")
        return agency.change(dossier, change)

    @app.post("/items")
    async def post_items(items: list[Any]) -> None:
        """Let the next poll say anything: nonsense, numbers of before, cases of others."""
        agency.balances.extend(items)


def _answer(dossiers: list[Dossier]) -> dict[str, Any]:
    return {
        "accepted": [
            {"client_ref": str(each.client_ref), "dossier_no": each.dossier_no}
            for each in dossiers
            if each.state == "OPEN"
        ],
        "declined": [
            {"client_ref": str(each.client_ref), "code": each.code}
            for each in dossiers
            if each.state == "DECLINED"
        ],
    }


def _today() -> date:
    return datetime.now(UTC).date()
