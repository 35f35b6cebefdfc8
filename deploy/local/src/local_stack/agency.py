"""The part of the story that an agency with an API plays: it answers, and reports payments."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from local_stack.figures import Figures, figures_of
from local_stack.http_client import Answer, until
from local_stack.scene import HandedOver, Scene, same

_PAY_EVERY = 5
_MOST_PAYMENTS = 500
_SURPLUS = Decimal("5.00")
_OWN_FEES = "2.50"


@dataclass(frozen=True)
class Balance:
    """What must stand on a case."""

    open: Decimal
    unallocated: Decimal
    file_number: str


def await_answers(scene: Scene, run: HandedOver) -> tuple[int, Figures]:
    """How many members the agency took, and the figures of those it refused."""
    answer = scene.await_run(run, "HANDED_OVER")
    state = scene.simulator.get("/state")
    accepted, rejected = answer["accepted"], answer["rejected"]
    same("members with an answer", accepted + rejected, run.figures.members)
    same("refused members", rejected, state["rejected"])
    refused_ids = {
        UUID(case["member_id"])
        for case in scene.cases.all("/v1/cases", run_id=run.run_id, status="REJECTED")
    }
    same("refused cases", len(refused_ids), rejected)
    refused = figures_of(one for one in scene.candidates if one.member_id in refused_ids)
    summary = scene.runs.get("/v1/candidates/summary")
    same("who is free for another run", Figures.of_answer(summary), refused)
    reasons = ", ".join(reason["reason_code"] for reason in answer["rejection_reasons"])
    scene.say(
        f"the agency took {accepted} members by signed callbacks and refused {rejected}"
        f" ({reasons}), who are free again"
    )
    return int(accepted), refused


def report_payments(scene: Scene, run: HandedOver, accepted: int) -> int:
    """The agency reports file numbers and payments; returns how many payments."""
    worked = [
        case for case in scene.simulator.get("/cases")["items"] if case["status"] == "ACCEPTED"
    ]
    same("cases that the agency works", len(worked), accepted)
    expected = {case["case_id"]: _balance(case) for case in worked}
    booking_date = scene.runs.get(f"/v1/runs/{run.run_id}")["collection_date"]
    paying = worked[::_PAY_EVERY][:_MOST_PAYMENTS]
    for number, case in enumerate(paying):
        total = Decimal(case["total"]["amount"])
        # The first one pays more than it owes: nothing that a partner reports is refused.
        paid = total + _SURPLUS if number == 0 else (total / 2).quantize(Decimal("0.01"))
        scene.simulator.post(
            "/payments",
            {
                "case_id": case["case_id"],
                "amount": f"{paid:.2f}",
                "own_fees": _OWN_FEES,
                "paid_on": booking_date,
            },
        )
        expected[case["case_id"]] = _balance(case, paid=paid)
    _await_balances(scene, run, expected)
    _await_open_at_run_service(scene, run, expected)
    scene.say(
        f"it gave {accepted} file numbers and reported {len(paying)} payments, each callback"
        f" twice and booked once; {_SURPLUS} too much stands on its case as unallocated"
    )
    return len(paying)


def _await_balances(scene: Scene, run: HandedOver, expected: Mapping[str, Balance]) -> None:
    def balances() -> Mapping[str, Balance]:
        cases = scene.cases.all("/v1/cases", run_id=run.run_id, status="OPEN")
        return {
            case["case_id"]: Balance(
                Decimal(case["open"]["amount"]),
                Decimal(case["unallocated"]["amount"]),
                case["file_number"],
            )
            for case in cases
        }

    until(
        lambda: {"wrong": len(expected.items() ^ balances().items())},
        lambda answer: answer["wrong"] == 0,
        limit=scene.limit,
        what="balances and file numbers at case-service are those of the agency",
    )


def _await_open_at_run_service(
    scene: Scene, run: HandedOver, expected: Mapping[str, Balance]
) -> None:
    """run-service learns of each share from the events of case-service, and subtracts it."""

    def open_there() -> Decimal:
        members = scene.runs.all(f"/v1/runs/{run.run_id}/members")
        return sum(
            (Decimal(one["open"]["amount"]) for one in members if one["case_id"] in expected),
            Decimal(0),
        )

    until(
        lambda: {"open": open_there()},
        lambda answer: answer["open"] == sum(balance.open for balance in expected.values()),
        limit=scene.limit,
        what="run-service and case-service agree on what is open",
    )


def _balance(case: Answer, paid: Decimal = Decimal(0)) -> Balance:
    """What must stand on a case of the agency after a payment."""
    total = Decimal(case["total"]["amount"])
    return Balance(
        max(total - paid, Decimal(0)), max(paid - total, Decimal(0)), case["file_number"]
    )
