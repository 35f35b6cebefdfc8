"""A team with nothing of ours but `contracts/` reads every topic, with clients of its own (R60)."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from jsonschema import Draft202012Validator

from contracts import EVENTS, TOPICS
from contracts.examples import FOLDER
from local_stack.stack import Stack
from tests.e2e.kafka_reader import place_of
from tests.e2e.story import LIMIT, Tenant
from tests.e2e.whole_story import Story


def test_everything_that_is_published_was_read(story: Story) -> None:
    assert {message.type for message in story.messages} == EVENTS.keys()


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
