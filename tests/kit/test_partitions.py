"""Keys go where Kafka's own Java client puts them."""

import random

import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from contracts import CaseOpenedV1
from kit.ids import new_id
from kit.partitions import hashes_of, partition_of
from kit.topics import wanted_topics

KEYS = 100_000
TOPIC = CaseOpenedV1.TOPIC

# From UtilsTest.testMurmur2 of Apache Kafka.
OF_THE_JAVA_CLIENT = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


def test_hashes_are_those_of_the_java_client() -> None:
    assert hashes_of(OF_THE_JAVA_CLIENT) == {
        key: hash_ & 0x7FFFFFFF for key, hash_ in OF_THE_JAVA_CLIENT.items()
    }


@given(st.lists(st.binary(min_size=1, max_size=60)))
def test_hashes_are_the_same_however_many_keys_there_are(keys: list[bytes]) -> None:
    assert hashes_of(keys) == {key: murmur2(key) & 0x7FFFFFFF for key in keys}


@pytest.mark.parametrize("partitions", [1, 6, 50])
def test_what_has_no_key_has_a_place_too(partitions: int) -> None:
    assert partition_of(b"", partitions) == 0


def test_a_hundred_thousand_keys_go_where_librdkafka_puts_them(kafka: str) -> None:
    chance = random.Random(1)
    keys = [str(new_id()).encode() for _ in range(KEYS // 2)]
    keys += [chance.randbytes(chance.randint(1, 60)) for _ in range(KEYS // 2)]
    partitions, _ = wanted_topics(replication=1)[TOPIC]
    hashes = hashes_of(keys)
    assert places_by_librdkafka(kafka, keys) == {key: hashes[key] % partitions for key in keys}


def places_by_librdkafka(kafka: str, keys: list[bytes]) -> dict[bytes, int]:
    """Send a message with each key; return in which partition it went."""
    places: dict[bytes, int] = {}
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": KEYS + 1,
            "log_level": 2,  # the first topic of a new broker takes a moment
        }
    )

    def delivered(error: object, message: object) -> None:
        assert error is None
        places[message.key()] = message.partition()  # type: ignore[attr-defined]

    for key in keys:
        producer.produce(TOPIC, b"", key, on_delivery=delivered)
    assert producer.flush(60) == 0
    return places
