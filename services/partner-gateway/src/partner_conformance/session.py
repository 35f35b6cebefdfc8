"""What the rules share: the sandbox, the listener, and what was handed over so far."""

import asyncio
import time
from dataclasses import dataclass, field

from partner_conformance import samples
from partner_conformance.listener import Listener
from partner_conformance.samples import Body
from partner_conformance.sandbox import HANDOVERS, Answer, Sandbox
from partner_conformance.shapes import UnreadableError, handover_answer

_SETTLE_SECONDS = 0.5
"""How long to listen on after all is there: for what should not come."""


class ViolatedError(Exception):
    """A rule does not hold; the text says what was seen."""


class NotCheckedError(Exception):
    """Whether a rule holds cannot be seen, for the reason given."""


@dataclass
class Session:
    """One conversation with an agency's sandbox."""

    sandbox: Sandbox
    listener: Listener | None
    wait: float
    """Seconds to wait for callbacks."""
    page: Body = field(default_factory=lambda: samples.page(3))
    """The handover that most rules are about."""
    first: Answer = field(init=False)
    """The first answer to it."""
    taken: set[str] = field(default_factory=set)
    """Cases that the agency took, as it said itself."""
    results: dict[str, list[str]] = field(default_factory=dict)
    """What it said of cases at once, at each time."""
    awaited: bool = False

    async def hand_over(self, page: Body) -> Answer:
        """Send a handover that is right, and keep what is said of its cases.

        Raises `ViolatedError` if it is not taken.
        """
        answer = await self.sandbox.send(HANDOVERS, page)
        self.keep(page, answer)
        if answer.status not in (200, 202):
            raise ViolatedError(f"status {answer.status}")
        return answer

    def keep(self, page: Body, answer: Answer) -> None:
        """Keep what an answer says of the cases of a page."""
        if not answer.taken:
            return
        self.taken.update(samples.case_ids(page))
        try:
            results = handover_answer(answer.body).results or []
        except UnreadableError:
            return
        for result in results:
            said = result.model_dump_json()
            self.results.setdefault(str(result.case_id), []).append(said)

    def decisions(self) -> dict[str, set[str]]:
        """Return, for each case, under which ids it was decided by callback."""
        decisions: dict[str, set[str]] = {}
        for call in self._listener().calls:
            if call.said is not None and call.said.type in ("case.accepted", "case.rejected"):
                case_id = str(call.said.data["case_id"])
                decisions.setdefault(case_id, set()).add(call.webhook_id)
        return decisions

    async def callbacks(self) -> Listener:
        """Wait until all that must come has come, or the time is over.

        Raises `NotCheckedError` if nobody listens.
        """
        listener = self._listener()
        until = time.monotonic() + self.wait
        while not self.awaited and time.monotonic() < until:
            if not self.undecided() and (listener.repetitions or not listener.calls):
                await asyncio.sleep(min(_SETTLE_SECONDS, self.wait))
                break
            await asyncio.sleep(0.05)
        self.awaited = True
        return listener

    def undecided(self) -> set[str]:
        """Return the cases of the page that were neither accepted nor refused so far."""
        runs = {
            str(call.said.data["run_id"])
            for call in self._listener().calls
            if call.said is not None and call.said.type.startswith("run.")
        }
        if self.page["run"]["run_id"] in runs:
            return set()
        return set(samples.case_ids(self.page)) - self.results.keys() - self.decisions().keys()

    def _listener(self) -> Listener:
        if self.listener is None:
            raise NotCheckedError("nobody listens: give --callback-port")
        return self.listener
