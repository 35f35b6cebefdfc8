"""What staff and partners do, in the words of the tests: set up, hand over, wait, look."""

import asyncio
import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from contracts import ClaimSnapshotV1, Money
from local_stack.data import Population
from local_stack.figures import candidates
from local_stack.http_client import Answer, ServiceClient, until
from local_stack.places import PROJECT
from local_stack.processes import LocalStackError
from local_stack.publish import publish, snapshots
from local_stack.stack import SIMULATOR, Stack

TODAY = date(2026, 11, 2)
LIMIT = 120.0
_seeds = count(1000)


@dataclass(frozen=True)
class Partner:
    """A partner as staff set it up; `secret` signs what it calls back."""

    partner_id: str
    secret: str | None


class Tenant:
    """A tenant of its own for one test, with the members that it needs."""

    def __init__(self, stack: Stack, members: int) -> None:
        self.stack = stack
        self.tenant_id = uuid4()
        self.population = Population(members=members, today=TODAY, seed=next(_seeds))
        self.token = stack.token(tenant_id=self.tenant_id)
        self._clients: list[ServiceClient] = []
        self._said: dict[str, ClaimSnapshotV1] = {}
        self.runs = self.client("run-service")
        self.cases = self.client("case-service")
        self.exports = self.client("export-service")
        self.gateway = self.client("partner-gateway")
        self.simulator = ServiceClient(stack.service(SIMULATOR).url)
        self._clients.append(self.simulator)

    @cached_property
    def candidates(self) -> list[Any]:
        """The members that can be handed over, worked out from the seeded data alone."""
        return list(candidates(self.population))

    def client(
        self, service: str, *roles: str, studio_ids: Sequence[UUID] | None = None
    ) -> ServiceClient:
        """Return a client of a service, with all roles and studios unless some are named."""
        token = self.stack.token(*roles, tenant_id=self.tenant_id, studio_ids=studio_ids)
        return self._connect(self.stack.service(service).url, token)

    def turn_to(self, *, runs: str, cases: str) -> None:
        """Speak to other processes of run-service and case-service from now on, by their URLs."""
        self.runs = self._connect(runs, self.token)
        self.cases = self._connect(cases, self.token)

    def _connect(self, url: str, token: str) -> ServiceClient:
        client = ServiceClient(url, token)
        self._clients.append(client)
        return client

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.close()

    def publish_members(self) -> None:
        """Let the owning systems publish all snapshots; wait until all are candidates."""
        kafka = self.stack.kafka.bootstrap_servers
        asyncio.run(publish(kafka, self.tenant_id, snapshots(self.population)))
        self.wait_for(
            lambda: self.runs.get("/v1/candidates/summary"),
            lambda summary: summary["members"] == len(self.candidates),
            "all candidates",
        )

    def claim(self, claim_id: str) -> ClaimSnapshotV1:
        """Return what receivables said last of a claim."""
        return self._said.get(claim_id) or next(
            claim
            for seeded in self.population.members()
            for claim in seeded.claims
            if str(claim.claim_id) == claim_id
        )

    def say_of_claim(self, claim_id: str, **changes: Decimal) -> None:
        """Let receivables say that a claim has other amounts."""
        before = self.claim(claim_id)
        currency = before.amount.currency
        amounts = {
            name: Money(amount=amount, currency=currency) for name, amount in changes.items()
        }
        said = before.model_copy(update={"sequence": before.sequence + 1, **amounts})
        asyncio.run(publish(self.stack.kafka.bootstrap_servers, self.tenant_id, [said]))
        self._said[claim_id] = said

    def await_case(self, case_id: str, what: str, **amounts: Decimal) -> Answer:
        """Wait until a case has these amounts."""
        return self.wait_for(
            lambda: self.cases.get(f"/v1/cases/{case_id}"),
            lambda case: {name: Decimal(case[name]["amount"]) for name in amounts} == amounts,
            what,
        )

    def await_notices(self, case_id: str, *expected: tuple[str, str]) -> Answer:
        """Wait until case-service knows of these notices, by kind and status; oldest first."""
        return self.wait_for(
            lambda: self.cases.get(f"/v1/cases/{case_id}"),
            lambda case: (
                [(each["kind"], each["status"]) for each in case["notices"]] == list(expected)
            ),
            f"the notices {expected}",
        )

    def check_files(self, **files: bytes) -> Answer:
        """Send CSV files of studios, members and claims; wait until they are checked."""
        sent = httpx.post(
            f"{self.stack.service('run-service').url}/v1/imports",
            files=files,
            headers={"Authorization": f"Bearer {self.token}", "Idempotency-Key": str(uuid4())},
            timeout=30,
            trust_env=False,
        )
        assert sent.status_code == 202, sent.text
        return self.wait_for(
            lambda: self.runs.get(f"/v1/imports/{sent.json()['import_id']}"),
            lambda import_: import_["status"] == "CHECKED",
            "the check of the files",
        )

    def check_report(self, partner: Partner, content: bytes) -> Answer:
        """Send a report file of a partner; wait until it is checked."""
        sent = httpx.post(
            f"{self.stack.service('partner-gateway').url}/v1/report-files",
            files={"file": content},
            data={"partner_id": partner.partner_id},
            headers={"Authorization": f"Bearer {self.token}", "Idempotency-Key": str(uuid4())},
            timeout=30,
            trust_env=False,
        )
        assert sent.status_code == 202, sent.text
        return self.wait_for(
            lambda: self.gateway.get(f"/v1/report-files/{sent.json()['report_file_id']}"),
            lambda file: file["status"] == "CHECKED",
            "the check of the report file",
        )

    def partner_by_hand(self) -> Partner:
        """Set up a partner that works from files."""
        body = {"name": "Inkasso Süd", "channel": "BY_HAND"}
        return Partner(self.gateway.post("/v1/partners", body)["partner_id"], None)

    def partner_by_api(self, **behaviour: Any) -> Partner:
        """Set up the simulator as this tenant's partner."""
        body = {
            "name": "Agentur Nord",
            "channel": "API",
            "base_url": self.stack.service(SIMULATOR).url,
        }
        partner_id = self.gateway.post("/v1/partners", body)["partner_id"]
        secret = self.gateway.post(f"/v1/partners/{partner_id}/secrets")["secret"]
        gateway = self.stack.service("partner-gateway").url
        normal = {"answer": "CALLBACK", "answer_twice": False, "reject_every": 0, "pay_percent": 0}
        callback_url = f"{gateway}/v1/partners/{partner_id}/callbacks"
        told = normal | {"secret": secret, "callback_url": callback_url} | behaviour
        self.simulator.post("/behaviour", told)
        return Partner(partner_id, secret)

    def preview(self, partner: Partner, studio_ids: Sequence[UUID] | None = None) -> Answer:
        """Freeze everybody who can be handed over, of some studios or of all."""
        order: dict[str, Any] = {"partner_id": partner.partner_id}
        if studio_ids is not None:
            order["studio_ids"] = [str(studio_id) for studio_id in studio_ids]
        # Refused as long as run-service does not know the partner.
        return self.wait_for(lambda: self.runs.post("/v1/previews", order), bool, "a preview")

    def start_run(self, partner: Partner) -> str:
        """Preview everybody and hand over; return the id of the run."""
        made = self.preview(partner)
        run = self.runs.post("/v1/runs", {"preview_id": made["preview_id"]})
        assert run["members"] == len(self.candidates)
        return str(run["run_id"])

    def run(self, run_id: str) -> Answer:
        """Return a run as staff see it."""
        return self.runs.get(f"/v1/runs/{run_id}")

    def await_run(self, run_id: str, status: str) -> Answer:
        """Wait until the run has a status."""
        return self.wait_for(
            lambda: self.run(run_id), lambda run: run["status"] == status, f"run {status}"
        )

    def all_cases(self, run_id: str, **filters: str) -> list[Answer]:
        """Return every case of a run."""
        return list(self.cases.all("/v1/cases", run_id=run_id, **filters))

    def export(self, **order: Any) -> list[dict[str, str]]:
        """Order an export as CSV for programs; return its rows, each cell under its heading."""
        as_csv = {"format": "csv", "csv": {"guarded": False}}
        path = f"/v1/exports/{self.exports.post('/v1/exports', as_csv | order)['export_id']}"
        done = self.wait_for(
            lambda: self.exports.get(path),
            lambda export: export["status"] in ("COMPLETED", "FAILED"),
            "the export",
        )
        assert done["status"] == "COMPLETED"
        content = self.exports.file(f"{path}/file").decode()
        return list(csv.DictReader(io.StringIO(content, newline="")))

    def wait_for(
        self, ask: Callable[[], Answer], is_right: Callable[[Answer], Any], what: str
    ) -> Answer:
        """Ask until the answer is right; a service that is just away is asked again."""

        def ask_patiently() -> Answer:
            try:
                return ask()
            except LocalStackError as error:
                return {"error": str(error)}

        return until(
            ask_patiently,
            lambda answer: "error" not in answer and bool(is_right(answer)),
            limit=LIMIT,
            what=what,
        )


def examples() -> dict[str, bytes]:
    """Return the files with which users try the import."""
    folder = PROJECT / "services" / "run-service" / "examples" / "import"
    return {path.stem: path.read_bytes() for path in folder.glob("*.csv")}


def rows(stack: Stack, service: str, query: str, *arguments: Any) -> Sequence[Any]:
    """Ask a service's database; for what no interface shows."""

    async def ask() -> Sequence[Any]:
        connection = await asyncpg.connect(stack.database_url(service))
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    return asyncio.run(ask())


def ids(values: Sequence[str]) -> list[UUID]:
    """Return texts as ids."""
    return [UUID(value) for value in values]
