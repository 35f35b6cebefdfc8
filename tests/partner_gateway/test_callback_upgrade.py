"""While releases are rolled out, the one before takes callbacks in on the new tables (R61)."""

from kit.clock import now
from kit.ids import new_id
from tests.partner_gateway.saying import NOWHERE, hold, said, statuses, translate
from tests.partner_gateway.world import TENANT, Gateway

OLD_INSERT = """
    INSERT INTO callbacks (callback_id, tenant_id, partner_id, webhook_id, webhook_timestamp,
                           webhook_signature, body, received_at, status, correlation_id,
                           traceparent)
    VALUES (:callback_id, :tenant_id, :partner_id, :webhook_id, '1', 'v1,AAAA', :body,
            :received_at, 'RECEIVED', 'correlation-1', NULL)
    ON CONFLICT (tenant_id, partner_id, webhook_id) DO NOTHING
"""
OLD_MARK = """
    UPDATE callbacks SET status = 'PARKED', reason = 'unreadable: type: unknown', waits_for = NULL
    WHERE webhook_id = 'msg_2'
"""


async def test_what_the_release_before_took_in_acts_and_is_known(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    accepted = said("case.accepted", case_id=str(case.case_id))
    for number, body in enumerate([accepted, b"{}"], start=1):
        await gateway.execute(
            OLD_INSERT,
            callback_id=new_id(),
            tenant_id=TENANT,
            partner_id=partner.partner_id,
            webhook_id=f"msg_{number}",
            body=body,
            received_at=now(),
        )
    await gateway.execute(OLD_MARK)
    await translate(gateway)
    assert await statuses(gateway) == ["TRANSLATED", "PARKED"]
    assert len(await gateway.published("report.accepted.v1")) == 1
    again = await gateway.call_back(partner, accepted, webhook_id="msg_1")
    assert (again.status_code, again.json()) == (202, {"status": "RECEIVED"})
    other = await gateway.call_back(partner, b"[]", webhook_id="msg_2")
    assert other.status_code == 422
    path = f"/v1/partners/{partner.partner_id}/callbacks"
    oldest = (await gateway.call("GET", path)).json()["items"][-1]
    shown = (await gateway.call("GET", f"{path}/{oldest['callback_id']}")).json()
    assert (shown["headers"], shown["body"]) == (None, accepted.decode())
