"""What fails while callbacks are translated holds up nothing but itself (R51)."""

import pytest
from structlog.testing import capture_logs

from partner_gateway.adapters import standard
from partner_gateway.callbacks import store
from partner_gateway.callbacks import translate_callbacks as module
from partner_gateway.callbacks.translate_callbacks import translate_callbacks
from partner_gateway.statement import to_report
from tests.partner_gateway.saying import NOWHERE, hold, said, statuses, translate
from tests.partner_gateway.world import Gateway


async def test_a_crash_while_translating_reports_nothing_twice(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = await gateway.set_up(NOWHERE)
    cases = await hold(gateway, partner, 3)
    monkeypatch.setattr(module, "_REST_SECONDS", 0.0)
    for case in cases:
        await gateway.call_back(partner, said("case.accepted", case_id=str(case.case_id)))
    for step in ("due_callbacks", "held_cases", "holders_of_runs", "mark_callbacks"):
        with monkeypatch.context() as patched:
            patched.setattr(f"partner_gateway.callbacks.store.{step}", _crash)
            with pytest.raises(RuntimeError, match="killed"):
                await translate_callbacks(gateway.context)
    with monkeypatch.context() as patched:
        patched.setattr("kit.outbox.publish", _crash)
        with pytest.raises(RuntimeError, match="killed"):
            await translate_callbacks(gateway.context)
    assert await gateway.published("report.accepted.v1") == []
    await translate(gateway)
    reports = await gateway.published("report.accepted.v1")
    assert [report.model_dump()["case_id"] for report in reports] == [
        case.case_id for case in cases
    ]


async def _crash(*_: object) -> None:
    raise RuntimeError("killed")


async def test_a_callback_at_which_we_fail_is_parked_and_holds_up_no_other(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it cannot be read or cannot be reported."""
    partner = await gateway.set_up(NOWHERE)
    cases = await hold(gateway, partner, 3)
    read = standard.statement

    def fail_to_read(body: bytes) -> object:
        if str(cases[0].case_id).encode() in body:
            raise KeyError(body)
        return read(body)

    def fail_to_report(statement: object, **given: object) -> object:
        if getattr(statement, "case_id", None) == cases[1].case_id:
            raise ArithmeticError(statement)
        return to_report(statement, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(standard, "statement", fail_to_read)
    monkeypatch.setattr(module, "to_report", fail_to_report)
    for case in cases:
        taken = await gateway.call_back(partner, said("case.accepted", case_id=str(case.case_id)))
        assert taken.json() == {"status": "RECEIVED"}
    with capture_logs() as logs:
        await translate(gateway)
    assert await statuses(gateway) == ["PARKED", "PARKED", "TRANSLATED"]
    rows = await gateway.rows("SELECT reason FROM callbacks ORDER BY callback_id")
    assert [row.reason for row in rows] == [
        "unexpected: KeyError",
        "unexpected: ArithmeticError",
        None,
    ]
    failures = [line for line in logs if line["event"] == "a callback failed"]
    assert [type(line["exc_info"]) for line in failures] == [KeyError, ArithmeticError]
    assert {frozenset(line) for line in failures} == {
        frozenset({"event", "log_level", "callback_id", "exc_info"})
    }
    (report,) = await gateway.published("report.accepted.v1")
    assert report.model_dump()["case_id"] == cases[2].case_id


async def test_a_partner_at_which_we_fail_holds_up_no_other(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [await gateway.set_up(NOWHERE) for _ in range(2)]
    for partner in (first, second):
        (case,) = await hold(gateway, partner)
        await gateway.call_back(partner, said("case.accepted", case_id=str(case.case_id)))
    due_callbacks = store.due_callbacks

    async def fail(connection: object, tenant_id: object, partner_id: object, limit: int) -> object:
        if partner_id == first.partner_id:
            raise RuntimeError("broken")
        return await due_callbacks(connection, tenant_id, partner_id, limit)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(store, "due_callbacks", fail)
        with pytest.raises(RuntimeError, match="broken"):
            await translate_callbacks(gateway.context)
        await translate(gateway)
        assert await statuses(gateway) == ["RECEIVED", "TRANSLATED"]
    gateway.context.shared.clear()  # as another process has it
    assert await translate_callbacks(gateway.context)
    assert await statuses(gateway) == ["TRANSLATED", "TRANSLATED"]
