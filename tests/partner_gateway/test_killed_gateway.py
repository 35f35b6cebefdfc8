"""The process dies between sending a request and storing the answer: it takes effect once (R61)."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
from fastapi import Request, Response

from local_stack.ports import free_port
from local_stack.processes import ChildProcess
from tests.partner_gateway.listener import listening
from tests.partner_gateway.sending import ANSWERS, delivery_of
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import KEY, Gateway, Simulator, handed_over


async def test_a_kill_between_sending_and_storing_the_answer_doubles_and_loses_nothing(
    gateway: Gateway, simulator: Simulator, tmp_path: Path
) -> None:
    """The partner has the page and has answered; nobody lives to hear it, until others work on."""
    victim = _process(gateway, tmp_path / "victim.log")
    is_first = True

    async def pass_on(request: Request) -> Response:
        nonlocal is_first
        async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http:
            answer = await http.post(
                request.url.path, content=await request.body(), headers=dict(request.headers)
            )
        if is_first:
            is_first = False
            victim.kill()
        return Response(answer.content, answer.status_code)

    async with listening(pass_on) as listener:
        partner = await gateway.set_up(listener.url)
        await simulator.connect(gateway, partner, answer="ACCEPT_NOW", reject_every=4)
        run = handed_over(partner, 20)
        await gateway.receive(run)
        with ExitStack() as afterwards:
            afterwards.callback(victim.kill)
            victim.start()
            await until(lambda: bool(listener.requests) and not victim.is_running)
            assert await gateway.published(*ANSWERS) == []
            assert (await delivery_of(gateway, partner))["status"] == "OPEN"
        await gateway.let_time_pass()

        async def is_done() -> bool:
            return bool((await delivery_of(gateway, partner))["status"] == "DONE")

        async with gateway.working():
            await until(is_done)
    state = await simulator.state()
    assert (state["cases"], state["requests"]) == (20, 1)
    assert (state["repeated_requests"], state["conflicting_requests"]) == (1, 0)
    reports = await gateway.published(*ANSWERS)
    assert sorted(str(each.model_dump()["case_id"]) for each in reports) == sorted(
        str(case.case_id) for case in run
    )
    assert len(await gateway.published("report.accepted.v1")) == 15


def _process(gateway: Gateway, log: Path) -> ChildProcess:
    """A process of the service on the gateway's database; without Kafka nothing is published."""
    settings = gateway.context.settings
    return ChildProcess(
        "partner-gateway",
        [Path(sys.executable).with_name("partner-gateway"), "serve"],
        log=log,
        environment=os.environ
        | {
            "DATABASE_URL": settings.database_url,
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "AUTH_ISSUER": settings.auth_issuer,
            "AUTH_AUDIENCE": settings.auth_audience,
            "AUTH_JWKS_URL": settings.auth_jwks_url,
            "ENCRYPTION_KEYS": KEY,
            "TRUSTED_PARTNER_HOSTS": "127.0.0.1",
            "HTTP_PORT": str(free_port()),
        },
    )
