"""What the tests do with report files, in the words of who reads them in."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import openpyxl

from contracts import MemberHandedOverV1
from kit.ids import new_id
from partner_gateway.report_files.apply_report_files import apply_report_files
from partner_gateway.report_files.check_report_files import check_report_files
from tests.partner_gateway.claims import numbered
from tests.partner_gateway.world import (
    ROLES,
    TENANT,
    Gateway,
    Partner,
    bearer,
    handed_over,
    plain_http,
)

ALL_ROLES = f"{ROLES} collection:finance"

Cell = str | int | float | Decimal | date | datetime | bool | None
Row = Mapping[str, Cell]


def as_csv(*rows: Row, separator: str = ";", encoding: str = "utf-8") -> bytes:
    """Return rows as CSV; the headings are those of all of them."""
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    output = io.StringIO()
    writer = csv.DictWriter(output, headings, restval="", delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return output.getvalue().encode(encoding)


def as_xlsx(*rows: Row) -> bytes:
    """Return rows as a workbook, as Excel has them: numbers are numbers, days are days."""
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet("Zahlungen")
    sheet.append(headings)
    for row in rows:
        sheet.append([row.get(heading) for heading in headings])
    output = io.BytesIO()
    workbook.save(output)
    return output.getvalue()


@dataclass
class Desk:
    """Report files of one partner by hand."""

    gateway: Gateway
    partner: Partner
    cases: list[MemberHandedOverV1] = field(default_factory=list)

    @classmethod
    async def open(cls, gateway: Gateway, cases: int = 3, tenant: UUID = TENANT) -> "Desk":
        """Set up a partner by hand that holds so many cases."""
        body = {"name": "Inkasso Süd", "channel": "BY_HAND"}
        made = await gateway.call("POST", "/v1/partners", body, **bearer(tenant))
        assert made.status_code == 201, made.text
        desk = cls(gateway, Partner(UUID(made.json()["partner_id"]), "", tenant))
        desk.cases = handed_over(desk.partner, cases)
        await gateway.receive(desk.cases, tenant)
        return desk

    async def number(self, *numbers: str) -> None:
        """Give the first cases file numbers."""
        named = zip(self.cases, numbers, strict=False)
        events = [numbered(case, number) for case, number in named]
        await self.gateway.receive(events, self.partner.tenant_id)

    def payment(self, case: int = 0, **other: Cell) -> dict[str, Cell]:
        """Return a row about a payment, in our own format."""
        return {
            "case_id": str(self.cases[case].case_id),
            "kind": "payment.received",
            "amount": "12.30",
            "day": "2026-03-01",
            "partner_reference": "Z-1",
            **other,
        }

    def headers(self, **other: str) -> dict[str, str]:
        """Return the headers of somebody with all roles."""
        key = {"Idempotency-Key": str(new_id())}
        return {**bearer(self.partner.tenant_id, ALL_ROLES), **key, **other}

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Send a request as somebody with all roles."""
        return await self.gateway.call(method, path, body, **self.headers())

    async def send(self, content: bytes, **headers: str) -> httpx.Response:
        """Send a file."""
        async with plain_http(self.gateway.url) as http:
            return await http.post(
                "/v1/report-files",
                files={"file": ("bericht", content)},
                data={"partner_id": str(self.partner.partner_id)},
                headers=self.headers(**headers),
            )

    async def set_format(self, **format_: Any) -> None:
        """Say how the partner writes its files."""
        path = f"/v1/partners/{self.partner.partner_id}/report-format"
        answer = await self.ask("PUT", path, format_)
        assert answer.status_code == 200, answer.text

    async def check(self, content: bytes) -> Any:
        """Send a file and let it be checked."""
        sent = await self.send(content)
        assert sent.status_code == 202, sent.text
        while await check_report_files(self.gateway.context):
            pass
        return await self.get(sent.json()["report_file_id"])

    async def apply(self, file: Mapping[str, Any]) -> Any:
        """Order a file to be applied but for its bad rows, and let it be."""
        order = {"leave_out_bad_rows": True}
        path = f"/v1/report-files/{file['report_file_id']}/application"
        ordered = await self.ask("POST", path, order)
        assert ordered.status_code == 202, ordered.text
        while await apply_report_files(self.gateway.context):
            pass
        return await self.get(file["report_file_id"])

    async def read_in(self, content: bytes) -> Any:
        """Check and apply a file."""
        return await self.apply(await self.check(content))

    async def get(self, report_file_id: str) -> Any:
        """Ask for a file."""
        answer = await self.ask("GET", f"/v1/report-files/{report_file_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def errors(self, file: Mapping[str, Any]) -> Sequence[tuple[int, str | None, str]]:
        """Return all that is wrong with a file: row, heading, message."""
        found: list[tuple[int, str | None, str]] = []
        path = f"/v1/report-files/{file['report_file_id']}/errors?limit=500"
        cursor = ""
        while True:
            page = (await self.ask("GET", path + cursor)).json()
            found += [(each["row"], each["heading"], each["message"]) for each in page["items"]]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"
