"""Topics in Kafka are what the file says, or it is told."""

import pytest
from aiokafka.errors import KafkaError

from kit import topics


async def test_settings_that_the_broker_refuses_are_told(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, (partitions, _) = next(iter(topics.wanted_topics().items()))
    refused = {name: (partitions, {"retention.ms": "for ever"})}
    monkeypatch.setattr(topics, "wanted_topics", lambda: refused)
    with pytest.raises(KafkaError, match=name):
        await topics.provision(kafka, replication=1)
