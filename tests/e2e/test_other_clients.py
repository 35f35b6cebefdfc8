"""A team with nothing of ours but `contracts/` reads every topic, with clients of its own (R60)."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from jsonschema import Draft202012Validator

from contracts import EVENTS, TOPICS
from contracts.examples import FOLDER
from local_stack.http_client import Answer
from local_stack.stack import SERVICES, Stack
from tests.e2e.kafka_reader import Received, place_of, read_everything
from tests.e2e.story import LIMIT, Partner, Tenant, rows

NOT_YET = {"case.claim-changed.v1"}
"""Types that no service publishes so far."""


@dataclass(frozen=True)
class Story:
    """What a tenant did, and all messages about it."""

    tenant: Tenant
    run_id: str
    request_id: str
    """Id of the request that made this run."""
    ids: frozenset[str]
    """Ids of the things that are this tenant's."""
    messages: list[Received]


@pytest.fixture(scope="module")
def story(stack: Stack, tenants: list[Tenant]) -> Iterator[Story]:
    """Let everything happen to the members of a tenant, and read all topics from the start."""
    with closing(Tenant(stack, members=60)) as tenant:
        tenants.append(tenant)
        tenant.publish_members()
        agency = tenant.partner_by_api(answer="CALLBACK", reject_every=6)
        request_id = f"request-{uuid4()}"
        run_id = make_run(tenant, agency, request_id)
        tenant.await_run(run_id, "HANDED_OVER")
        work_on_cases(tenant, agency, run_id)
        tenant.export_rows(run_id)
        reversal = {"confirmed": True, "reason": "falsche Auswahl"}
        tenant.runs.post(f"/v1/runs/{run_id}/reversal", reversal)
        tenant.await_run(run_id, "CANCELLED")
        tenant.simulator.post("/behaviour", {"reject_every": 1})
        refused_id = tenant.start_run(agency)
        tenant.await_run(refused_id, "REJECTED")
        await_quiet(tenant)
        ids = ids_of(tenant, run_id, refused_id)
        ours = [each for each in read_everything(stack) if is_about(each, tenant, ids)]
        yield Story(tenant, run_id, request_id, ids, ours)


def make_run(tenant: Tenant, agency: Partner, request_id: str) -> str:
    """Hand everybody over in a request whose id is known; return the id of the run."""
    response = httpx.post(
        f"{tenant.stack.service('run-service').url}/v1/runs",
        json={"preview_id": tenant.preview(agency)["preview_id"]},
        headers={
            "Authorization": f"Bearer {tenant.token}",
            "Idempotency-Key": request_id,
            "X-Request-Id": request_id,
        },
        trust_env=False,
    )
    return str(response.raise_for_status().json()["run_id"])


def work_on_cases(tenant: Tenant, agency: Partner, run_id: str) -> None:
    """Let agency and staff do all that can be done with a case."""
    paid, cancelled, refused, *_ = tenant.all_cases(run_id, status="OPEN")
    day = paid["collection_date"]
    about = {"case_id": paid["case_id"], "run_id": run_id}
    currency = paid["open"]["currency"]
    half = f"{Decimal(paid['open']['amount']) / 2:.2f}"
    payment = {"case_id": paid["case_id"], "amount": half, "partner_reference": "P-1"}
    tenant.simulator.post("/payments", payment | {"paid_on": day})
    correction = {
        "partner_reference": "P-1",
        "amount": {"amount": "0.01", "currency": currency},
        "own_fees": {"amount": "0.00", "currency": currency},
        "corrected_on": day,
    }
    for type_, data in (
        ("payment.corrected", correction),
        ("file-number.assigned", {"file_number": "AZ-77"}),
        ("case.closed", {"result_code": "INSOLVENT", "closed_on": day}),
    ):
        tenant.simulator.post("/callbacks", {"type": type_, "data": about | data})
    tenant.wait_for(
        lambda: tenant.cases.get(f"/v1/cases/{paid['case_id']}"),
        lambda case: case["status"] == "CLOSED",
        "the closed case",
    )
    cancel(tenant, cancelled, "ACKNOWLEDGED")
    # The agency does not know the secret for a while, and so refuses what it is told.
    tenant.simulator.post("/behaviour", {"secret": "whsec_bm90IG91cnM="})
    cancel(tenant, refused, "FAILED")
    tenant.simulator.post("/behaviour", {"secret": agency.secret})


def cancel(tenant: Tenant, case: Answer, status: str) -> None:
    """Cancel a case, and wait until its notice has a status."""
    tenant.cases.post(f"/v1/cases/{case['case_id']}/cancellation", {"comment": "zurück"})
    tenant.wait_for(
        lambda: tenant.gateway.get("/v1/notices", case_id=case["case_id"]),
        lambda page: [notice["status"] for notice in page["items"]] == [status],
        f"the notice is {status}",
    )


def await_quiet(tenant: Tenant) -> None:
    """Wait until each notice has its answer, and everything is published."""
    tenant.wait_for(
        lambda: {"notices": list(tenant.gateway.all("/v1/notices"))},
        lambda answer: all(
            notice["status"] in ("ACKNOWLEDGED", "FAILED") for notice in answer["notices"]
        ),
        "answers to the notices",
    )
    tenant.wait_for(
        lambda: {service: unpublished(tenant, service) for service in SERVICES},
        lambda counts: not any(counts.values()),
        "everything is published",
    )


def unpublished(tenant: Tenant, service: str) -> int:
    """Return how many messages of a tenant a service has still to publish."""
    query = "SELECT count(*) FROM outbox WHERE tenantid = $1"
    return int(rows(tenant.stack, service, query, tenant.tenant_id)[0][0])


def ids_of(tenant: Tenant, *run_ids: str) -> frozenset[str]:
    """Return the ids of all that a message of a tenant can be about."""
    return frozenset(
        (
            *run_ids,
            *(str(studio.studio_id) for studio in tenant.population.studios),
            *(str(seeded.member.member_id) for seeded in tenant.population.members()),
            *(
                str(claim.claim_id)
                for seeded in tenant.population.members()
                for claim in seeded.claims
            ),
            *(partner["partner_id"] for partner in tenant.gateway.all("/v1/partners")),
            *(case["case_id"] for case in tenant.cases.all("/v1/cases")),
            *(export["export_id"] for export in tenant.exports.all("/v1/exports")),
        )
    )


def is_about(message: Received, tenant: Tenant, ids: frozenset[str]) -> bool:
    """Tell whether a message names a tenant, or has the id of one of its things for a key."""
    names_it = message.headers.get("ce_tenantid") == str(tenant.tenant_id).encode()
    return names_it or message.key.decode(errors="replace") in ids


def test_everything_that_is_published_was_read(story: Story) -> None:
    assert EVENTS.keys() - {message.type for message in story.messages} == NOT_YET


def test_each_message_is_a_cloudevent_that_follows_its_schema(story: Story) -> None:
    validators = {type_: validator_of(type_) for type_ in EVENTS}
    for message in story.messages:
        event = message.event
        assert event.get_specversion() == "1.0"
        assert event.get_datacontenttype() == "application/json"
        assert event.get_source().removeprefix("/") in TOPICS[message.topic].writers
        time_ = event.get_time()
        assert time_ is not None
        assert abs(datetime.now(UTC) - time_) < timedelta(hours=1)
        validators[event.get_type()].validate(event.get_data())


def validator_of(type_: str) -> Draft202012Validator:
    """Return what checks data against the committed schema of a type."""
    schema = json.loads((FOLDER / "schemas" / f"{type_}.json").read_text())
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_each_message_has_an_id_of_its_own(story: Story) -> None:
    seen = {(each.headers["ce_source"], each.headers["ce_id"]) for each in story.messages}
    assert len(seen) == len(story.messages)


def test_each_message_names_the_tenant_and_the_thing_it_is_about(story: Story) -> None:
    for message in story.messages:
        assert message.event.get_extension("tenantid") == str(story.tenant.tenant_id)
        assert message.key.decode() in story.ids


def test_topic_and_key_are_as_listed(story: Story) -> None:
    for message in story.messages:
        topic = TOPICS[message.topic]
        assert message.type in topic.types
        data = message.event.get_data()
        assert isinstance(data, dict)
        key = next(data[name] for name in topic.key if data.get(name) is not None)
        assert message.key.decode() == message.event.get_subject() == key


def test_partitions_are_those_that_other_clients_choose(stack: Stack, story: Story) -> None:
    """librdkafka's `murmur2_random` is the choice of Kafka's own Java client."""
    chosen = {
        partitions: partitions_of_librdkafka(
            stack.kafka.bootstrap_servers, {each.key for each in story.messages}, partitions
        )
        for partitions in {topic.partitions for topic in TOPICS.values()}
    }
    for message in story.messages:
        expected = chosen[TOPICS[message.topic].partitions][message.key]
        assert message.partition == expected, message.topic


def partitions_of_librdkafka(kafka: str, keys: set[bytes], partitions: int) -> dict[bytes, int]:
    """Let librdkafka publish keys to a topic of so many partitions; return where each went."""
    topic = f"scratch-{uuid4()}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(LIMIT)
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random"})
    went_to: dict[bytes, int] = {}

    def note(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        went_to[message.key() or b""] = place_of(message)[1]

    for key in keys:
        producer.produce(topic, key=key, on_delivery=note)
    assert producer.flush(LIMIT) == 0
    admin.delete_topics([topic])[topic].result(LIMIT)
    return went_to


def test_a_request_can_be_followed_through_all_that_it_led_to(story: Story) -> None:
    run = [
        message
        for message in story.messages
        if message.topic in ("collection.run.v1", "collection.handover.v1")
        and json.loads(message.value)["run_id"] == story.run_id
    ]
    caused = [each for each in run if each.type in ("run.created.v1", "member.handed-over.v1")]
    assert len(caused) == 1 + len(story.tenant.candidates)
    assert {each.headers["ce_correlationid"].decode() for each in caused} == {story.request_id}


def test_topics_for_everybody_hold_no_personal_data(story: Story) -> None:
    secrets = sorted(set(secrets_of(story.tenant)))
    anyones = re.compile(rf"\b({'|'.join(map(re.escape, secrets))})\b")
    for topic in ("collection.case.v1", "collection.run.v1", "collection.member.v1"):
        assert not TOPICS[topic].personal_data
    open_to_all = [each for each in story.messages if not TOPICS[each.topic].personal_data]
    assert len(open_to_all) > len(story.tenant.candidates)
    for message in open_to_all:
        told = f"{message.value.decode()} {message.headers}"
        assert not anyones.search(told), message.type
    # The search finds what is there: the handovers are full of it.
    handovers = [each for each in story.messages if each.type == "member.handed-over.v1"]
    assert all(anyones.search(each.value.decode()) for each in handovers)


def secrets_of(tenant: Tenant) -> Iterator[str]:
    """Yield whatever tells who the members are, or where, or how they are reached and pay."""
    for seeded in tenant.population.members():
        member = seeded.member
        yield from (member.name1, member.membership_number, *member.phone_numbers)
        yield from filter(None, (member.first_name, member.maiden_name, member.email))
        if member.birth_date:
            yield member.birth_date.isoformat()
        if member.address:
            yield member.address.street
        if member.bank_account and member.bank_account.iban:
            yield member.bank_account.iban
        if member.mandate:
            yield member.mandate.reference
        if guardian := member.legal_guardian:
            yield from filter(None, (guardian.first_name, guardian.name1))
