"""Sends callbacks to the gateway until each is taken."""

import asyncio
import json
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from partner_simulator.agency import Callback
from partner_simulator.behaviour import Behaviour
from partner_simulator.signatures import sign

_SENDERS = 8
_FIRST_PAUSE = 0.2
_LAST_PAUSE = 10.0


@dataclass
class _Script:
    """Callbacks about one case, to be sent one after the other."""

    waiting: deque[tuple[str, bytes]]
    """Webhook ids and bodies; both stay the same at every try."""
    pause: float = field(default=_FIRST_PAUSE)


class CallbackSender:
    """A queue of callbacks in memory. The order within one case is kept; cases are independent."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.counts: Counter[str] = Counter()
        self.last_error: str | None = None
        self._scripts: asyncio.Queue[_Script] = asyncio.Queue()

    def add(self, callbacks: Sequence[Callback]) -> None:
        """Queue callbacks that must arrive in this order."""
        repeat = 2 if self.behaviour.answer_twice else 1
        messages = [
            message
            for callback in callbacks
            for message in [(f"msg_{uuid.uuid4().hex}", json.dumps(callback).encode())] * repeat
        ]
        self.counts["waiting"] += len(messages)
        self._scripts.put_nowait(_Script(deque(messages)))

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
            while script.waiting and await self._send(http, *script.waiting[0]):
                script.waiting.popleft()
                script.pause = _FIRST_PAUSE
            if script.waiting:
                # Come back later, and let others go first meanwhile.
                asyncio.get_running_loop().call_later(
                    script.pause, self._scripts.put_nowait, script
                )
                script.pause = min(script.pause * 2, _LAST_PAUSE)

    async def _send(self, http: httpx.AsyncClient, webhook_id: str, body: bytes) -> bool:
        """Make one try; only a 2xx is a success."""
        url, secret = self.behaviour.callback_url, self.behaviour.secret
        if url is None or secret is None:
            self.last_error = "callback_url or secret is not set"
            return False
        self.counts["tries"] += 1
        headers = {"Content-Type": "application/json", **sign(secret, webhook_id, body)}
        try:
            response = await http.post(url, content=body, headers=headers)
        except httpx.HTTPError as error:
            self.last_error = type(error).__name__
            return False
        if not response.is_success:
            self.last_error = f"HTTP {response.status_code}"
            return False
        self.counts["waiting"] -= 1
        self.counts["delivered"] += 1
        return True
