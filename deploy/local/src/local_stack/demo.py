"""One story through all services; each step checks what it shows, against figures of its own."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from rich.console import Console

from local_stack import export_files
from local_stack.data import Population
from local_stack.figures import Figures, as_text, candidates, figures_of, sum_of
from local_stack.http_client import Answer, RefusedError, ServiceClient, until
from local_stack.processes import LocalStackError
from local_stack.progress import progress_bar
from local_stack.seeding import publish_population
from local_stack.stack import SIMULATOR, Stack

_REFUSE_EVERY = 20
_PAY_EVERY = 5
_MOST_PAYMENTS = 500
_STAFF_PAYMENT = Decimal("10.00")
_SURPLUS = Decimal("5.00")
_OWN_FEES = "2.50"


@dataclass(frozen=True)
class HandedOver:
    """A run of the story and what it must come to."""

    run_id: str
    booking_number: str
    figures: Figures


@dataclass(frozen=True)
class Balance:
    """What must stand on a case."""

    open: Decimal
    unallocated: Decimal
    file_number: str


class Demo:
    """The story, told on `console`; `tell` returns its last line."""

    def __init__(self, stack: Stack, population: Population, console: Console) -> None:
        self._stack = stack
        self._population = population
        self._console = console
        self._candidates = list(candidates(population))
        # Generous: a machine may be slow, and a step that hangs is told all the same.
        self._limit = 60 + len(self._candidates) / 50
        token = stack.token()
        self._runs = ServiceClient(stack.service("run-service").url, token)
        self._cases = ServiceClient(stack.service("case-service").url, token)
        self._exports = ServiceClient(stack.service("export-service").url, token)
        self._gateway = ServiceClient(stack.service("partner-gateway").url, token)
        self._simulator = ServiceClient(stack.service(SIMULATOR).url)

    def tell(self) -> str:
        self._publish_snapshots()
        by_hand, agency = self._set_up_partners()
        studio_ids = sorted({member.studio_id for member in self._candidates})
        first_half = studio_ids[: len(studio_ids) // 2]
        hand_run = self._hand_over(by_hand, first_half, "the partner by hand")
        self._await_cases_by_hand(hand_run)
        agency_run = self._hand_over(
            agency, [one for one in studio_ids if one not in first_half], "the agency with an API"
        )
        accepted = self._await_answers(agency_run)
        payments = self._report_payments(agency_run, accepted)
        payments += self._book_and_close(hand_run)
        exports = self._export(hand_run)
        self._reverse(hand_run, by_hand)
        differences = self._audit()
        runs = (hand_run, agency_run)
        return (
            f"DEMO OK run={hand_run.booking_number}"
            f" members={sum(run.figures.members for run in runs)}"
            f" claims={sum(run.figures.claims for run in runs)}"
            f" payments={payments} exports={exports} audit={differences}"
        )

    def _say(self, text: str) -> None:
        self._console.print(f"[green]✓[/green] {text}", highlight=False)

    def _publish_snapshots(self) -> None:
        published = publish_population(self._stack, self._population, self._console)
        expected = figures_of(self._candidates)
        until(
            lambda: self._runs.get("/v1/candidates/summary"),
            lambda summary: Figures.of_answer(summary) == expected,
            limit=self._limit,
            what=f"run-service finds the candidates ({expected})",
        )
        self._say(
            f"{published.members} members with {published.claims} claims of {published.studios}"
            " studios came in as snapshots"
        )
        self._say(f"{expected} can be handed over, and run-service says so, too")

    def _set_up_partners(self) -> tuple[str, str]:
        by_hand = self._gateway.post(
            "/v1/partners", {"name": "Inkasso Süd (von Hand)", "channel": "BY_HAND"}
        )["partner_id"]
        agency = self._gateway.post(
            "/v1/partners",
            {
                "name": "Agentur mit Schnittstelle",
                "channel": "API",
                "base_url": self._stack.service(SIMULATOR).url,
            },
        )["partner_id"]
        secret = self._gateway.post(f"/v1/partners/{agency}/secrets")["secret"]
        self._simulator.post(
            "/behaviour",
            {
                "secret": secret,
                "callback_url": f"{self._stack.service('partner-gateway').url}"
                f"/v1/partners/{agency}/callbacks",
                "answer": "CALLBACK",
                "answer_twice": True,
                "reject_every": _REFUSE_EVERY,
            },
        )
        names = sorted(partner["name"] for partner in self._gateway.all("/v1/partners"))
        self._same("the number of partners", len(names), 2)
        self._say(f"two partners are set up: {names[1]}, and {names[0]} with a secret for signing")
        return by_hand, agency

    def _hand_over(self, partner_id: str, studio_ids: Sequence[UUID], who: str) -> HandedOver:
        wanted = set(studio_ids)
        expected = figures_of(one for one in self._candidates if one.studio_id in wanted)
        order = {"partner_id": partner_id, "studio_ids": [str(one) for one in studio_ids]}
        preview = self._preview(order)
        self._same("the preview", Figures.of_answer(preview), expected)
        run = self._runs.post("/v1/runs", {"preview_id": preview["preview_id"]})
        self._same("the run", Figures.of_answer(run), expected)
        self._say(
            f"run {run['booking_number']} hands over to {who} what its preview showed: {expected}"
            f" ({preview['minors_left_out']} minors without a guardian are left out)"
        )
        return HandedOver(run["run_id"], run["booking_number"], expected)

    def _preview(self, order: Answer) -> Answer:
        """A preview; the partner may have been set up so lately that run-service learns of it."""

        def ask() -> Answer:
            try:
                return self._runs.post("/v1/previews", order)
            except RefusedError as refused:
                return {"refused": str(refused)}

        return until(ask, lambda answer: "refused" not in answer, limit=30, what="a preview")

    def _await_cases_by_hand(self, run: HandedOver) -> None:
        self._await_run(run, "HANDED_OVER")
        cases = list(self._cases.all("/v1/cases", run_id=run.run_id, status="OPEN"))
        opened = sum_of(case["open"] for case in cases)
        self._same(
            "the open cases", (len(cases), opened), (run.figures.members, run.figures.totals)
        )
        self._say(
            f"{len(cases)} cases are open at case-service with {as_text(opened)}, the run is"
            " HANDED_OVER"
        )

    def _await_answers(self, run: HandedOver) -> int:
        answer = self._await_run(run, "HANDED_OVER")
        state = self._simulator.get("/state")
        accepted, rejected = answer["accepted"], answer["rejected"]
        self._same("members with an answer", accepted + rejected, run.figures.members)
        self._same("refused members", rejected, state["rejected"])
        refused = list(self._cases.all("/v1/cases", run_id=run.run_id, status="REJECTED"))
        self._same("refused cases", len(refused), rejected)
        free = self._runs.get("/v1/candidates/summary")["members"]
        self._same("members free for another run", free, rejected)
        reasons = ", ".join(reason["reason_code"] for reason in answer["rejection_reasons"])
        self._say(
            f"the agency took {accepted} members by signed callbacks and refused {rejected}"
            f" ({reasons}), who are free again"
        )
        return int(accepted)

    def _report_payments(self, run: HandedOver, accepted: int) -> int:
        """The agency reports file numbers and payments; returns how many payments."""
        worked = [
            case for case in self._simulator.get("/cases")["items"] if case["status"] == "ACCEPTED"
        ]
        self._same("cases that the agency works", len(worked), accepted)
        expected = {case["case_id"]: _balance(case) for case in worked}
        booking_date = self._runs.get(f"/v1/runs/{run.run_id}")["collection_date"]
        paying = worked[::_PAY_EVERY][:_MOST_PAYMENTS]
        for number, case in enumerate(paying):
            total = Decimal(case["total"]["amount"])
            # The first one pays more than it owes: nothing that a partner reports is refused.
            paid = total + _SURPLUS if number == 0 else (total / 2).quantize(Decimal("0.01"))
            self._simulator.post(
                "/payments",
                {
                    "case_id": case["case_id"],
                    "amount": f"{paid:.2f}",
                    "own_fees": _OWN_FEES,
                    "paid_on": booking_date,
                },
            )
            expected[case["case_id"]] = _balance(case, paid=paid)
        self._await_balances(run, expected)
        self._say(
            f"it gave {accepted} file numbers and reported {len(paying)} payments, each callback"
            f" twice and booked once; {_SURPLUS} too much stands on its case as unallocated"
        )
        return len(paying)

    def _await_balances(self, run: HandedOver, expected: Mapping[str, Balance]) -> None:
        def balances() -> Mapping[str, Balance]:
            cases = self._cases.all("/v1/cases", run_id=run.run_id, status="OPEN")
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
            limit=self._limit,
            what="balances and file numbers at case-service are those of the agency",
        )

    def _book_and_close(self, run: HandedOver) -> int:
        """What staff do with one case; returns how many payments they booked."""
        case = next(self._cases.all("/v1/cases", run_id=run.run_id, status="OPEN"))
        path = f"/v1/cases/{case['case_id']}"
        due = Decimal(case["open"]["amount"])
        paid = min(due, _STAFF_PAYMENT)
        payment = {
            "amount": {"amount": f"{paid:.2f}", "currency": case["open"]["currency"]},
            "booking_date": case["collection_date"],
        }
        self._cases.put(f"{path}/file-number", {"file_number": "AZ 4711/26"})
        plan = self._cases.post(f"{path}/payments", payment, dry_run="true")
        self._same("what is open after a dry run", self._open(path), due)
        booked = self._cases.post(f"{path}/payments", payment)
        self._same("the shares as planned and as booked", booked["claims"], plan["claims"])
        shares = sum(Decimal(claim["amount"]["amount"]) for claim in booked["claims"])
        self._same("the sum of the shares", shares, paid)
        self._same("what is open after the payment", self._open(path), due - paid)
        closed = self._cases.post(f"{path}/closure", {"comment": "Ratenplan nicht eingehalten"})
        self._same("the status of the closed case", closed["status"], "CLOSED")
        until(
            lambda: self._runs.get(f"/v1/runs/{run.run_id}"),
            lambda answer: answer["ended"] == 1,
            limit=self._limit,
            what="run-service counts the closed case",
        )
        self._say(
            f"staff booked {as_text({case['open']['currency']: paid})} on one case, as the dry run"
            f" had shown, and closed it ({closed['result']})"
        )
        return 1

    def _export(self, run: HandedOver) -> int:
        """The run as CSV and as Excel; returns the number of files."""
        folder = self._stack.directory / "demo"
        folder.mkdir(exist_ok=True)
        rows = []
        for format_, read in (("csv", export_files.read_csv), ("xlsx", export_files.read_xlsx)):
            order = {"run_id": run.run_id, "format": format_}
            export_path = f"/v1/exports/{self._exports.post('/v1/exports', order)['export_id']}"
            done = self._await_export(export_path)
            file = folder / f"run.{format_}"
            file.write_bytes(self._exports.file(f"{export_path}/file"))
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            self._same(f"the digest of {file.name}", digest, done["sha256"])
            content = read(file)
            self._same(f"the columns of {file.name}", len(content.columns), 61)
            self._same(f"the figures of {file.name}", content.figures, run.figures)
            rows.append(content.figures.claims)
        self._say(
            f"the run is exported to {folder}/run.csv and run.xlsx: {rows[0]} rows of 61 columns,"
            f" {as_text(run.figures.totals)} to the cent"
        )
        return len(rows)

    def _reverse(self, run: HandedOver, partner_id: str) -> None:
        path = f"/v1/runs/{run.run_id}/reversal"
        outlook = self._runs.get(path)
        expected = run.figures.members - 1  # one case was closed by staff
        self._same("cases that the reversal would close", outlook["cases_not_ended"], expected)
        self._runs.post(path, {"confirmed": True, "reason": "Falsche Studios ausgewählt"})
        self._await_run(run, "CANCELLED")
        still_open = list(self._cases.all("/v1/cases", run_id=run.run_id, status="OPEN"))
        self._same("cases that are still open", len(still_open), 0)
        notices = until(
            lambda: {"due": self._stop_notices(partner_id)},
            lambda answer: answer["due"] == expected,
            limit=self._limit,
            what=f"{expected} notices to stop are due",
        )
        self._say(
            f"run {run.booking_number} is reversed: CANCELLED, {expected} cases closed,"
            f" {notices['due']} notices to stop are due to the partner"
        )

    def _stop_notices(self, partner_id: str) -> int:
        notices = self._gateway.all("/v1/notices", partner_id=partner_id, status="DUE")
        return sum(1 for notice in notices if notice["kind"] == "STOP")

    def _audit(self) -> int:
        audit = self._stack.service("case-service").run("audit")
        if audit.returncode != 0 or "audit: 0 differences" not in audit.stdout:
            raise LocalStackError(f"the audit found differences: {audit.stdout}{audit.stderr}")
        self._say("the audit recomputed every balance from its entries: 0 differences")
        return 0

    def _await_run(self, run: HandedOver, status: str) -> Answer:
        with progress_bar(self._console, f"run {run.booking_number}", run.figures.members) as bar:

            def ask() -> Answer:
                answer = self._runs.get(f"/v1/runs/{run.run_id}")
                bar(answer["ended"] if status == "CANCELLED" else answer["answered"])
                return answer

            return until(
                ask,
                lambda answer: answer["status"] == status,
                limit=self._limit,
                what=f"run {run.booking_number} becomes {status}",
            )

    def _await_export(self, path: str) -> Answer:
        return until(
            lambda: self._exports.get(path),
            lambda answer: answer["status"] in ("COMPLETED", "FAILED"),
            limit=self._limit,
            what="the export is ready",
        )

    def _open(self, case_path: str) -> Decimal:
        return Decimal(self._cases.get(case_path)["open"]["amount"])

    def _same(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            raise LocalStackError(f"{what}: {found}, where {expected} was expected")


def _balance(case: Answer, paid: Decimal = Decimal(0)) -> Balance:
    """What must stand on a case of the agency after a payment."""
    total = Decimal(case["total"]["amount"])
    return Balance(
        max(total - paid, Decimal(0)), max(paid - total, Decimal(0)), case["file_number"]
    )
