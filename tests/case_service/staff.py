"""What staff do to a tenant over HTTP; the model says how each request must be answered."""

from typing import Any
from uuid import UUID

from kit.ids import new_id
from tests.case_service.tenant import Tenant, text

Shares = dict[tuple[UUID, UUID], int]
"""Amounts by case and claim."""

HANDED_OVER_ON = "2026-03-02"


class Staff:
    """Asks the service, and tells the model what it must have done."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.model = tenant.model
        self.asked: list[tuple[str, Any, dict[str, str], Any]] = []

    def pay(
        self,
        case_id: UUID,
        booked: tuple[int, int, str],
        reference: str | None,
        shares: dict[UUID, int] | None,
        *,
        closing: bool = False,
    ) -> None:
        """Book a payment (amount, own fees, day), or close a case with one (R22, R24)."""
        body = _payment(booked, reference, shares)
        expected = self._answer_to_payment(case_id, booked, reference, shares)
        if closing:
            if expected == 201:
                expected = 200 if self.model.cases[case_id].status == "OPEN" else 409
            self._ask(f"/cases/{case_id}/closure", {"comment": "so", "payment": body}, expected)
        else:
            shown = self._ask(
                f"/cases/{case_id}/payments?dry_run=true",
                body,
                min(expected, 200) if expected == 201 else expected,
            )
            done = self._ask(f"/cases/{case_id}/payments", body, expected)
            for name in ("claims", "open", "hints") if expected == 201 else ():
                assert shown[name] == done[name]
        if expected >= 400:
            return
        if reference is None or (case_id, reference) not in self.model.references:
            payment = self.model.pay(case_id, booked, shares)
            if reference is not None:
                self.model.references[case_id, reference] = [payment]
        if closing:
            self.model.close(case_id)
        if reference is not None:
            self.model.arrived([("payment", case_id, reference)])
            self.tenant.let_time_pass()

    def _answer_to_payment(
        self,
        case_id: UUID,
        booked: tuple[int, int, str],
        reference: str | None,
        shares: dict[UUID, int] | None,
    ) -> int:
        case, (amount, _, day) = self.model.cases[case_id], booked
        if reference is not None and (case_id, reference) in self.model.references:
            first = self.model.references[case_id, reference][0]
            given = {(case_id, claim): part for claim, part in (shares or {}).items()}
            same_shares = first.automatic if shares is None else first.first_shares == given
            return 201 if first.booked == booked and same_shares else 422
        if case.status != "OPEN":
            return 409
        fits = 0 < amount <= sum(case.open.values()) and day >= HANDED_OVER_ON
        if shares is not None:
            fits &= sum(shares.values()) == amount
            fits &= all(0 < part <= case.open.get(claim, 0) for claim, part in shares.items())
        return 201 if fits else 422

    def reduce(self, place: int, less: int, given: Shares | None) -> None:
        """Say that a payment was less by so much (R23)."""
        payment = self.model.payments[place]
        body: dict[str, Any] = {
            "amount": _money(max(payment.amount - less, 0)),
            "booking_date": "2026-04-01",
            "comment": "so",
        }
        less = min(less, payment.amount)
        allocated = sum(payment.shares.values())
        fits = 0 < less <= allocated + payment.unallocated
        if given is not None:
            body["shares"] = _shares(given)
            fits &= sum(given.values()) == less - min(payment.unallocated, less)
            fits &= all(0 < part <= payment.shares.get(each, 0) for each, part in given.items())
        self._ask(self._path(place, "reduction"), body, 201 if fits else 422)
        if fits:
            self.model.reduce(payment, less, given)

    def allocate(self, place: int, shares: Shares) -> None:
        """Give unallocated money of a payment to claims (R29)."""
        payment = self.model.payments[place]
        member = self.model.cases[payment.case].member
        fits = sum(shares.values()) <= payment.unallocated
        for (case_id, claim), part in shares.items():
            case = self.model.cases[case_id]
            fits &= case.member == member and case.status != "PENDING"
            fits = fits and 0 < part <= self.model.takes(case_id, claim)
        body = {"outcome": "ALLOCATED", "shares": _shares(shares), "comment": "so"}
        self._ask(self._path(place, "settlement"), body, 201 if fits else 422)
        if fits:
            by_case = dict(sorted(shares.items(), key=lambda each: each[0][0]))
            self.model.give(payment, by_case)

    def pay_out(self, place: int, amount: int, outcome: str) -> None:
        """Note that unallocated money left (R29)."""
        payment = self.model.payments[place]
        fits = 0 < amount <= payment.unallocated
        body = {"outcome": outcome, "amount": _money(amount), "comment": "so"}
        self._ask(self._path(place, "settlement"), body, 201 if fits else 422)
        if fits:
            payment.unallocated -= amount
            payment.paid_out += amount

    def close(self, case_id: UUID) -> None:
        """Close a case (R24)."""
        is_open = self.model.cases[case_id].status == "OPEN"
        self._ask(f"/cases/{case_id}/closure", {"comment": "so"}, 200 if is_open else 409)
        if is_open:
            self.model.close(case_id)

    def cancel(self, case_id: UUID) -> None:
        """Take a case back (R26)."""
        is_open = self.model.cases[case_id].status == "OPEN"
        self._ask(f"/cases/{case_id}/cancellation", {"comment": "so"}, 200 if is_open else 409)
        if is_open:
            self.model.cancel(case_id)

    def change_settings(self, *, writes_off: bool, costs_first: bool) -> None:
        """Say what closing does, and where payments go first (R22, R25)."""
        order = {
            "residual_on_closing": "WRITTEN_OFF" if writes_off else "STAYS_OPEN",
            "allocation_order": "COSTS_FIRST" if costs_first else "OLDEST_FIRST",
        }
        self._send("PUT", "/settings", order, {}, 200)
        self.model.writes_off, self.model.costs_first = writes_off, costs_first

    def ask_again(self, place: int) -> None:
        """Send a request again with the same key: the same answer, and nothing more."""
        path, body, headers, answer = self.asked[place % len(self.asked)]
        assert self._send("POST", path, body, headers, None) == answer

    def _path(self, place: int, what: str) -> str:
        payment_id = self.tenant.payment_ids[place]
        return f"/cases/{self.model.payments[place].case}/payments/{payment_id}/{what}"

    def _ask(self, path: str, body: Any, expected: int) -> Any:
        headers = {"Idempotency-Key": str(new_id())}
        answer = self._send("POST", path, body, headers, expected)
        if expected in {200, 201} and "dry_run" not in path:
            self.asked.append((path, body, headers, answer))
        return answer

    def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str], expected: int | None
    ) -> Any:
        tenant = self.tenant
        headers = tenant.headers | headers
        request = tenant.world.client.request(method, f"/v1{path}", json=body, headers=headers)
        response = tenant.do(request)
        assert expected in {None, response.status_code}, response.text
        return response.json()


def _payment(
    booked: tuple[int, int, str], reference: str | None, shares: dict[UUID, int] | None
) -> dict[str, Any]:
    amount, fees, day = booked
    body: dict[str, Any] = {"amount": _money(amount), "booking_date": day}
    if fees:
        body["own_fees"] = _money(fees)
    if reference is not None:
        body["partner_reference"] = reference
    if shares is not None:
        body["shares"] = [
            {"claim_id": str(claim), "amount": _money(part)} for claim, part in shares.items()
        ]
    return body


def _shares(shares: Shares) -> list[dict[str, Any]]:
    return [
        {"case_id": str(case_id), "claim_id": str(claim), "amount": _money(part)}
        for (case_id, claim), part in shares.items()
    ]


def _money(amount: int) -> dict[str, str]:
    return {"amount": text(amount), "currency": "EUR"}
