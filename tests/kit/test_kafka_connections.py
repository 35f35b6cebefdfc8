"""A broken connection is an error of Kafka on every loop, so that aiokafka's tasks go on."""

import asyncio

import pytest
import uvloop
from aiokafka import conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from kit.consumer import Consumer, WaitingConsumer
from kit.database import Database
from kit.kafka_connections import Connection, notice_broken_connections
from tests.kit.deliveries import consuming, partner, producing, send, until


def test_what_is_sent_on_a_connection_just_lost_tells_so_on_uvloop(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conn, "AIOKafkaConnection", conn.AIOKafkaConnection)  # is put back
    notice_broken_connections()
    host, _, port = kafka.partition(":")

    async def send_on_lost() -> None:
        connection = await conn.create_conn(host, int(port))
        assert isinstance(connection, Connection)
        await connection.send(MetadataRequest([]))
        connection._writer.transport.abort()
        with pytest.raises(KafkaConnectionError):
            await connection.send(MetadataRequest([]))
        assert not connection.connected()

    uvloop.run(send_on_lost())


async def test_a_client_that_no_longer_knows_brokers_is_told(
    deliveries: Database, kafka: str
) -> None:
    async with consuming(deliveries, kafka, "unknowing") as consumer:
        reader = await reader_of(consumer)
        assert consumer.troubles() == []
        metadata = reader._client._sync_task
        metadata.cancel()
        await asyncio.wait([metadata])
        assert consumer.troubles() == ["nobody asks any more which broker has what"]


async def test_a_commit_that_does_not_end_is_told_until_it_does(
    deliveries: Database, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits, may_end = asyncio.Event(), asyncio.Event()

    async def commit_late(*_: object) -> None:
        commits.set()
        await may_end.wait()

    monkeypatch.setattr("kit.consumer._BATCH_HANGS", 0.0)
    monkeypatch.setattr(WaitingConsumer, "commit", commit_late)
    async with consuming(deliveries, kafka, "hanging") as consumer, producing(kafka) as producer:
        await send(producer, partner())
        await commits.wait()
        assert consumer.troubles() == ["a batch hangs"]
        may_end.set()

        async def is_well() -> bool:
            return consumer.troubles() == []

        await until(is_well)


async def reader_of(consumer: Consumer) -> WaitingConsumer:
    """Return what a consumer reads Kafka with, once it does."""

    async def reads() -> bool:
        return consumer._kafka is not None and bool(consumer._kafka.assignment())

    await until(reads)
    assert consumer._kafka is not None
    return consumer._kafka
