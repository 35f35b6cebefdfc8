"""One story through all services; each step checks what it shows, against figures of its own."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from contracts import Money
from local_stack.agency import await_answers, report_payments
from local_stack.data import Population
from local_stack.exporting import export
from local_stack.figures import Figures, Totals, as_text, figures_of, sum_of
from local_stack.http_client import Answer, RefusedError, until
from local_stack.processes import LocalStackError
from local_stack.publish import publish
from local_stack.scene import HandedOver, Scene, same
from local_stack.seeding import publish_population
from local_stack.stack import SIMULATOR

_REFUSE_EVERY = 20
_STAFF_PAYMENT = Decimal("10.00")
_STAFF_PAYMENT_IN_TRUTH = Decimal("6.00")


def tell(scene: Scene, population: Population) -> str:
    _publish_snapshots(scene, population)
    by_hand, agency = _set_up_partners(scene)
    studio_ids = sorted({member.studio_id for member in scene.candidates})
    first_half = studio_ids[: len(studio_ids) // 2]
    hand_run = _hand_over(scene, by_hand, first_half, "the partner by hand")
    _await_cases_by_hand(scene, hand_run)
    agency_run = _hand_over(
        scene,
        agency,
        [one for one in studio_ids if one not in first_half],
        "the agency with an API",
    )
    accepted, refused = await_answers(scene, agency_run)
    payments = report_payments(scene, agency_run, accepted)
    _pay_at_studio(scene, population, agency_run)
    paid = _book_and_close(scene, hand_run)
    exports = export(scene, hand_run, first_half)
    _reverse(scene, hand_run, by_hand)
    _await_candidates_again(scene, hand_run, paid, refused)
    differences = _audit(scene)
    runs = (hand_run, agency_run)
    return (
        f"DEMO OK run={hand_run.booking_number}"
        f" members={sum(run.figures.members for run in runs)}"
        f" claims={sum(run.figures.claims for run in runs)}"
        f" payments={payments + 1} exports={exports} audit={differences}"
    )


def _publish_snapshots(scene: Scene, population: Population) -> None:
    published = publish_population(scene.stack, population, scene.console)
    expected = figures_of(scene.candidates)
    until(
        lambda: scene.runs.get("/v1/candidates/summary"),
        lambda summary: Figures.of_answer(summary) == expected,
        limit=scene.limit,
        what=f"run-service finds the candidates ({expected})",
    )
    scene.say(
        f"{published.members} members with {published.claims} claims of {published.studios}"
        " studios came in as snapshots"
    )
    scene.say(f"{expected} can be handed over, and run-service says so, too")


def _set_up_partners(scene: Scene) -> tuple[str, str]:
    by_hand = scene.gateway.post(
        "/v1/partners", {"name": "Inkasso Süd (von Hand)", "channel": "BY_HAND"}
    )["partner_id"]
    agency = scene.gateway.post(
        "/v1/partners",
        {
            "name": "Agentur mit Schnittstelle",
            "channel": "API",
            "base_url": scene.stack.service(SIMULATOR).url,
        },
    )["partner_id"]
    secret = scene.gateway.post(f"/v1/partners/{agency}/secrets")["secret"]
    scene.simulator.post(
        "/behaviour",
        {
            "secret": secret,
            "callback_url": f"{scene.stack.service('partner-gateway').url}"
            f"/v1/partners/{agency}/callbacks",
            "answer": "CALLBACK",
            "answer_twice": True,
            "reject_every": _REFUSE_EVERY,
        },
    )
    names = sorted(partner["name"] for partner in scene.gateway.all("/v1/partners"))
    same("the number of partners", len(names), 2)
    scene.say(f"two partners are set up: {names[1]}, and {names[0]} with a secret for signing")
    return by_hand, agency


def _hand_over(scene: Scene, partner_id: str, studio_ids: Sequence[UUID], who: str) -> HandedOver:
    wanted = set(studio_ids)
    expected = figures_of(one for one in scene.candidates if one.studio_id in wanted)
    order = {"partner_id": partner_id, "studio_ids": [str(one) for one in studio_ids]}
    preview = _preview(scene, order)
    same("the preview", Figures.of_answer(preview), expected)
    run = scene.runs.post("/v1/runs", {"preview_id": preview["preview_id"]})
    same("the run", Figures.of_answer(run), expected)
    scene.say(
        f"run {run['booking_number']} hands over to {who} what its preview showed: {expected}"
        f" ({preview['minors_left_out']} minors without a guardian are left out)"
    )
    return HandedOver(run["run_id"], run["booking_number"], expected)


def _preview(scene: Scene, order: Answer) -> Answer:
    """A preview; the partner may have been set up so lately that run-service learns of it."""

    def ask() -> Answer:
        try:
            return scene.runs.post("/v1/previews", order)
        except RefusedError as refused:
            return {"refused": str(refused)}

    return until(ask, lambda answer: "refused" not in answer, limit=30, what="a preview")


def _await_cases_by_hand(scene: Scene, run: HandedOver) -> None:
    scene.await_run(run, "HANDED_OVER")
    cases = list(scene.cases.all("/v1/cases", run_id=run.run_id, status="OPEN"))
    same("the number of open cases", len(cases), run.figures.members)
    opened = sum_of(case["open"] for case in cases)
    same("what is open on them", opened, run.figures.totals)
    scene.say(f"{len(cases)} cases are open at case-service with {as_text(opened)}")


def _book_and_close(scene: Scene, run: HandedOver) -> Totals:
    """What staff do with one case; returns what they booked on it."""
    cases = scene.cases.all("/v1/cases", run_id=run.run_id, status="OPEN")
    case = next(one for one in cases if Decimal(one["open"]["amount"]) > _STAFF_PAYMENT)
    path = f"/v1/cases/{case['case_id']}"
    due = Decimal(case["open"]["amount"])
    paid = _STAFF_PAYMENT
    payment = {
        "amount": {"amount": f"{paid:.2f}", "currency": case["open"]["currency"]},
        "booking_date": case["collection_date"],
    }
    scene.cases.put(f"{path}/file-number", {"file_number": "AZ 4711/26"})
    plan = scene.cases.post(f"{path}/payments", payment, dry_run="true")
    same("what is open after a dry run", _open(scene, path), due)
    booked = scene.cases.post(f"{path}/payments", payment)
    same("the shares as planned and as booked", booked["claims"], plan["claims"])
    shares = sum(Decimal(claim["amount"]["amount"]) for claim in booked["claims"])
    same("the sum of the shares", shares, paid)
    same("what is open after the payment", _open(scene, path), due - paid)
    paid = _reduce(scene, path, str(booked["payment_id"]), payment)
    same("what is open after the reduction", _open(scene, path), due - paid)
    closed = scene.cases.post(f"{path}/closure", {"comment": "Ratenplan nicht eingehalten"})
    same("the status of the closed case", closed["status"], "CLOSED")
    until(
        lambda: scene.runs.get(f"/v1/runs/{run.run_id}"),
        lambda answer: answer["ended"] == 1,
        limit=scene.limit,
        what="run-service counts the closed case",
    )
    booked_totals = {case["open"]["currency"]: paid}
    scene.say(
        f"staff booked {_STAFF_PAYMENT} on one case, as the dry run had shown, brought it down to"
        f" {as_text(booked_totals)} as some of it came back, and closed it ({closed['result']})"
    )
    return booked_totals


def _reduce(scene: Scene, case_path: str, payment_id: str, payment: Answer) -> Decimal:
    """A part of a payment came back: staff bring it down; returns what it is now."""
    currency = payment["amount"]["currency"]
    amount = {"amount": f"{_STAFF_PAYMENT_IN_TRUTH:.2f}", "currency": currency}
    reduction = {
        "amount": amount,
        "booking_date": payment["booking_date"],
        "comment": "Lastschrift kam zum Teil zurück",
    }
    answer = scene.cases.post(f"{case_path}/payments/{payment_id}/reduction", reduction)
    same("the payment after the reduction", answer["amount"], amount)
    return _STAFF_PAYMENT_IN_TRUTH


def _pay_at_studio(scene: Scene, population: Population, run: HandedOver) -> None:
    """A member pays all that is open on one claim at the studio; the agency must know."""
    cases = scene.cases.all("/v1/cases", run_id=run.run_id, status="OPEN")
    case = next(one for one in cases if Decimal(one["open"]["amount"]))
    path = f"/v1/cases/{case['case_id']}"
    open_claims = scene.cases.get(path)["claims"]
    claim = max(open_claims, key=lambda one: Decimal(one["open"]["amount"]))
    paid, due = Decimal(claim["open"]["amount"]), Decimal(case["open"]["amount"])
    known = next(
        one
        for seeded in population.members()
        for one in seeded.claims
        if str(one.claim_id) == claim["claim_id"]
    )
    paid_directly = Money(
        amount=known.paid_directly.amount + paid, currency=known.paid_directly.currency
    )
    told = known.model_copy(update={"sequence": known.sequence + 1, "paid_directly": paid_directly})
    asyncio.run(publish(scene.stack.kafka.bootstrap_servers, scene.stack.tenant_id, [told]))
    until(
        lambda: scene.cases.get(path),
        lambda answer: (
            Decimal(answer["open"]["amount"]) == due - paid
            and [(one["kind"], one["status"]) for one in answer["notices"]]
            == [("STUDIO_PAYMENT", "ACKNOWLEDGED")]
        ),
        limit=scene.limit,
        what="a payment at the studio lowers its case, and the agency acknowledges the notice",
    )
    scene.say(
        f"a member paid {as_text({claim['open']['currency']: paid})} at the studio: its case fell"
        " by that, and the agency was told and has acknowledged it"
    )


def _reverse(scene: Scene, run: HandedOver, partner_id: str) -> None:
    path = f"/v1/runs/{run.run_id}/reversal"
    outlook = scene.runs.get(path)
    expected = run.figures.members - 1  # one case was closed by staff
    same("cases that the reversal would close", outlook["cases_not_ended"], expected)
    scene.runs.post(path, {"confirmed": True, "reason": "Falsche Studios ausgewählt"})
    scene.await_run(run, "CANCELLED")
    still_open = list(scene.cases.all("/v1/cases", run_id=run.run_id, status="OPEN"))
    same("cases that are still open", len(still_open), 0)
    notices = until(
        lambda: {"due": _stop_notices(scene, partner_id)},
        lambda answer: answer["due"] == expected,
        limit=scene.limit,
        what=f"{expected} notices to stop are due",
    )
    scene.say(
        f"run {run.booking_number} is reversed: CANCELLED, {expected} cases closed,"
        f" {notices['due']} notices to stop are due to the partner"
    )


def _await_candidates_again(scene: Scene, run: HandedOver, paid: Totals, refused: Figures) -> None:
    """Reversed, closed and refused members are free again, but not for what was paid."""
    left = {
        currency: amount - paid.get(currency, Decimal(0))
        for currency, amount in run.figures.totals.items()
    }
    totals = {
        currency: left.get(currency, Decimal(0)) + refused.totals.get(currency, Decimal(0))
        for currency in left.keys() | refused.totals.keys()
    }
    members = run.figures.members + refused.members
    until(
        lambda: scene.runs.get("/v1/candidates/summary"),
        lambda summary: (summary["members"], sum_of(summary["totals"])) == (members, totals),
        limit=scene.limit,
        what=f"{members} members with {as_text(totals)} are candidates again",
    )
    scene.say(
        f"{members} members are free for another run with {as_text(totals)}: what was paid"
        " stays paid"
    )


def _stop_notices(scene: Scene, partner_id: str) -> int:
    notices = scene.gateway.all("/v1/notices", partner_id=partner_id, status="DUE")
    return sum(1 for notice in notices if notice["kind"] == "STOP")


def _audit(scene: Scene) -> int:
    audit = scene.stack.service("case-service").run("audit")
    if audit.returncode != 0 or "audit: 0 differences" not in audit.stdout:
        raise LocalStackError(f"the audit found differences: {audit.stdout}{audit.stderr}")
    scene.say("the audit recomputed every balance from its entries: 0 differences")
    return 0


def _open(scene: Scene, case_path: str) -> Decimal:
    return Decimal(scene.cases.get(case_path)["open"]["amount"])
