"""Sends callbacks to the gateway until each is taken."""

import asyncio
import base64
import json
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from partner_simulator.behaviour import Behaviour
from partner_simulator.signatures import sign
from partner_simulator.steps import Fault, Report

Callback = dict[str, Any]

_SENDERS = 8
_FIRST_PAUSE = 0.2
_LAST_PAUSE = 10.0
_FINAL = frozenset({413, 422})
"""Answers to a callback that will never be another one."""
_OTHER_SECRET = "whsec_" + base64.b64encode(b"a secret that is of nobody here!").decode()
_TEN_MINUTES = 600


@dataclass(frozen=True)
class Message:
    """A callback as it is sent; id and body stay the same at every try."""

    webhook_id: str
    body: bytes
    fault: Fault | None = None
    fault_tries: int = 0
    """How many tries have the fault."""
    pause: float = 0
    """Seconds to wait before it is sent first."""


def message(callback: Callback, options: Report | None = None) -> Message:
    """Make a callback ready to be sent, under a new id."""
    body = json.dumps(callback).encode()
    if options is None:
        return Message(_new_id(), body)
    return Message(_new_id(), body, options.fault, options.fault_tries)


def again(said: Message, pause: float) -> Message:
    """Make the same callback ready to be sent once more, under a new id."""
    return replace(said, webhook_id=_new_id(), pause=pause)


@dataclass
class _Script:
    """Callbacks about one case, to be sent one after the other."""

    waiting: deque[Message]
    scenario: int
    """The number of resets before it: what was queued before the last one is forgotten."""
    tries: int = 0
    """Of the first one."""
    rested: bool = False
    """Whether the pause before the first one is over."""
    pause: float = _FIRST_PAUSE
    """Before the next try of the first one."""

    def go_on(self) -> None:
        """Go on to the next one."""
        self.waiting.popleft()
        self.tries, self.rested, self.pause = 0, False, _FIRST_PAUSE


class CallbackSender:
    """A queue of callbacks in memory. The order within one case is kept; cases are independent."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.counts: Counter[str] = Counter()
        self.last_error: str | None = None
        self._scripts: asyncio.Queue[_Script] = asyncio.Queue()
        self._scenario = 0

    def add(self, messages: Sequence[Message]) -> None:
        """Queue callbacks that must arrive in this order."""
        times = 2 if self.behaviour.answer_twice else 1
        script = _Script(deque(each for each in messages for _ in range(times)), self._scenario)
        self.counts["waiting"] += len(script.waiting)
        self._scripts.put_nowait(script)

    def reset(self) -> None:
        """Forget what waits, and the counts."""
        self._scenario += 1
        self.counts.clear()
        self.last_error = None

    async def run(self) -> None:
        """Send until cancelled."""
        async with (
            httpx.AsyncClient(timeout=10, trust_env=False) as http,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(_SENDERS):
                group.create_task(self._send_scripts(http))

    async def _send_scripts(self, http: httpx.AsyncClient) -> None:
        while True:
            script = await self._scripts.get()
            while script.scenario == self._scenario and script.waiting:
                first = script.waiting[0]
                if first.pause and not script.rested:
                    script.rested = True
                    self._come_back(script, first.pause)
                    break
                script.tries += 1
                if not await self._is_over(http, first, script):
                    self._come_back(script, script.pause)
                    script.pause = min(script.pause * 2, _LAST_PAUSE)
                    break
                script.go_on()

    def _come_back(self, script: _Script, pause: float) -> None:
        """Let others go first meanwhile."""
        asyncio.get_running_loop().call_later(pause, self._scripts.put_nowait, script)

    async def _is_over(self, http: httpx.AsyncClient, said: Message, script: _Script) -> bool:
        """Make one try; say whether it was the last one: the callback was taken, or is given up."""
        url, secret = self.behaviour.callback_url, self.behaviour.secret
        if url is None or secret is None:
            self.last_error = "callback_url or secret is not set"
            return False
        fault = said.fault if script.tries <= said.fault_tries else None
        headers, body = _signed(secret, said, fault)
        status = await self._post(http, url, headers, body)
        if script.scenario != self._scenario:
            return True
        if status in range(200, 300):
            over = "delivered"
        elif status in _FINAL or fault is Fault.NOT_REPEATED:
            over = "given_up"
        else:
            return False
        self.counts["waiting"] -= 1
        self.counts[over] += 1
        return True

    async def _post(
        self, http: httpx.AsyncClient, url: str, headers: dict[str, str], body: bytes
    ) -> int:
        """Return the status of the answer; 0 when there is none."""
        self.counts["tries"] += 1
        headers = {"Content-Type": "application/json", **headers}
        try:
            response = await http.post(url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.last_error = type(error).__name__
            return 0
        if not response.is_success:
            self.last_error = f"HTTP {response.status_code}"
        elif b'"PARKED"' in response.content:
            self.counts["parked"] += 1
        return response.status_code


def _signed(secret: str, said: Message, fault: Fault | None) -> tuple[dict[str, str], bytes]:
    match fault:
        case Fault.OTHER_SECRET:
            return sign(_OTHER_SECRET, said.webhook_id, said.body), said.body
        case Fault.OLD_TIMESTAMP:
            return sign(secret, said.webhook_id, said.body, age=_TEN_MINUTES), said.body
        case Fault.CHANGED_BODY:
            return sign(secret, said.webhook_id, said.body), said.body + b" "
        case Fault.NEW_ID:
            return sign(secret, _new_id(), said.body), said.body
        case _:
            return sign(secret, said.webhook_id, said.body), said.body


def _new_id() -> str:
    return f"msg_{uuid.uuid4().hex}"
