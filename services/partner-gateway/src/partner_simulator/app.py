"""HTTP in: the Partner API, and how to steer the simulator.

The steering (all paths outside `/v1`) asks for no signature: the simulator is for tests and
demonstrations, on an address that only those reach. Under `/balances-agency` stands an agency of
another kind, with an API and a memory of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response

from partner_simulator.agency import Agency, UnknownCaseError
from partner_simulator.balances import create_balances_app
from partner_simulator.behaviour import Behaviour, BehaviourChange, NewCallback, NewPayment
from partner_simulator.callbacks import CallbackSender, message
from partner_simulator.case import callback
from partner_simulator.exchange import play
from partner_simulator.steps import Of

_COUNTED = (
    "requests",
    "repeated_requests",
    "conflicting_requests",
    "wrong_signatures",
    "cases",
    "accepted",
    "rejected",
    "payments",
    "notices",
    "notices_not_acknowledged",
)
"""What `/state` tells of the agency."""

_COUNTED_CALLBACKS = ("waiting", "delivered", "tries", "parked", "given_up")


def create_app(behaviour: Behaviour, seed: int = 1) -> FastAPI:
    """Return a simulator with an empty memory."""
    agency = Agency(behaviour, seed)
    sender = CallbackSender()
    sender.behaviour = behaviour

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sending = asyncio.create_task(sender.run())
        yield
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending

    app = FastAPI(title="Partner simulator", lifespan=lifespan)
    _add_partner_api(app, agency, sender)
    _add_steering(app, agency, sender)
    _add_memory(app, agency, sender)
    app.mount("/balances-agency", create_balances_app(seed))
    return app


def _add_partner_api(app: FastAPI, agency: Agency, sender: CallbackSender) -> None:
    @app.post("/v1/handovers", response_model=None)
    async def post_handover(request: Request) -> Response:
        return await play(agency, sender, Of.HANDOVER, request)

    @app.post("/v1/notices", response_model=None)
    async def post_notice(request: Request) -> Response:
        return await play(agency, sender, Of.NOTICE, request)


def _add_steering(app: FastAPI, agency: Agency, sender: CallbackSender) -> None:
    @app.post("/behaviour")
    async def post_behaviour(change: BehaviourChange) -> dict[str, Any]:
        """Change how the partner behaves from now on; what is left out stays."""
        changed = {**agency.behaviour.model_dump(), **change.model_dump(exclude_unset=True)}
        agency.behaviour = sender.behaviour = Behaviour.model_validate(changed)
        return agency.behaviour.model_dump(exclude={"secret"})

    @app.post("/reset", status_code=204)
    async def post_reset() -> None:
        """Forget all requests, cases, and callbacks that wait, and behave well again."""
        kept = agency.behaviour.model_dump(include={"callback_url", "secret"})
        agency.behaviour = sender.behaviour = Behaviour.model_validate(kept)
        agency.reset()
        sender.reset()

    @app.post("/catch-up")
    async def post_catch_up() -> dict[str, int]:
        """Do with the cases that were never decided what the behaviour says now."""
        caught_up = agency.catch_up()
        for messages in agency.to_say():
            sender.add(messages)
        return {"cases": caught_up}

    @app.post("/payments", status_code=202)
    async def post_payment(payment: NewPayment) -> dict[str, Any]:
        """Let a debtor pay: the gateway is told by callback."""
        try:
            reported = agency.pay(payment)
        except UnknownCaseError:
            raise HTTPException(404, "no such case") from None
        sender.add([message(reported)])
        return reported

    @app.post("/callbacks", status_code=202)
    async def post_callback(new: NewCallback) -> dict[str, Any]:
        """Call the gateway back with anything."""
        said = callback(new.type, new.data)
        sender.add([message(said)])
        return said


def _add_memory(app: FastAPI, agency: Agency, sender: CallbackSender) -> None:
    @app.get("/state")
    async def get_state() -> dict[str, Any]:
        """Count what came in, was decided and was called back."""
        callbacks = {name: sender.counts[name] for name in _COUNTED_CALLBACKS}
        return {
            **{name: agency.counts[name] for name in _COUNTED},
            "callbacks": {**callbacks, "last_error": sender.last_error},
        }

    @app.get("/cases")
    async def get_cases() -> dict[str, Any]:
        """List the cases with what was decided on them, and what was told about them."""
        return {"items": [case.shown() for case in agency.cases.values()]}

    @app.get("/requests")
    async def get_requests() -> dict[str, Any]:
        """List the requests, in the order in which they came: each try, and how often it acted."""
        return {"items": [entry.shown() for entry in agency.journal.entries.values()]}
