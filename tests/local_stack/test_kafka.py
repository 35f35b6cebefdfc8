"""The Kafka of the local stack: a real broker that keeps its data."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from local_stack.kafka import KafkaServer, RunningKafka


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    with KafkaServer(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


async def send(kafka: KafkaServer, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read(kafka: KafkaServer, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    try:
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_messages_survive_a_kill_and_a_stop_on_the_same_port(kafka: KafkaServer) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    await admin.close()
    await send(kafka, "kept", b"first")
    kafka.kill()
    kafka.start()
    await send(kafka, "kept", b"second")
    kafka.stop()
    kafka.start()
    assert await read(kafka, "kept", 2) == [b"first", b"second"]


async def test_it_makes_no_topic_by_itself(kafka: KafkaServer) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, request_timeout_ms=1000, retry_backoff_ms=100
    )
    await producer.start()
    with pytest.raises(KafkaError):
        await producer.send_and_wait("unknown", b"lost")
    await producer.stop()


def test_a_running_kafka_is_used_and_left_running(kafka: KafkaServer, tmp_path: Path) -> None:
    with RunningKafka(kafka.bootstrap_servers) as running:
        assert running.bootstrap_servers == kafka.bootstrap_servers
    RunningKafka(kafka.bootstrap_servers).start()
