"""Topics in Kafka are what the file says, or it is told."""

import pytest
from aiokafka.errors import KafkaError

from kit import topics


@pytest.mark.parametrize(("replication", "acknowledging"), [(1, "1"), (2, "1"), (3, "2")])
def test_one_replica_may_be_away(replication: int, acknowledging: str) -> None:
    for _, settings in topics.wanted_topics(replication).values():
        assert settings["min.insync.replicas"] == acknowledging


async def test_settings_that_the_broker_refuses_are_told(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, (partitions, _) = next(iter(topics.wanted_topics(replication=1).items()))
    refused = {name: (partitions, {"retention.ms": "for ever"})}
    monkeypatch.setattr(topics, "wanted_topics", lambda replication: refused)
    with pytest.raises(KafkaError, match=name):
        await topics.provision(kafka, replication=1)
