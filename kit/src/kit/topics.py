"""Makes the topics in Kafka what the topics file says."""

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from contracts import DEAD_LETTERS, TOPICS

log = structlog.get_logger(__name__)


class TopicMismatchError(Exception):
    """A topic exists with another number of partitions: changing it would break the key order."""


def wanted_topics(replication: int) -> dict[str, tuple[int, dict[str, str]]]:
    """Return all topics, dead-letter topics included: name → (partitions, settings).

    One replica may be away. Were it two of three, Kafka would acknowledge what a single broker
    has, and the relay would forget what that broker may lose.
    """
    durable = {"min.insync.replicas": str(max(replication - 1, 1))}
    wanted: dict[str, tuple[int, dict[str, str]]] = {}
    for topic in TOPICS.values():
        wanted[topic.name] = (topic.partitions, topic.configuration | durable)
        wanted[topic.dead_letter_name] = (
            DEAD_LETTERS.partitions,
            DEAD_LETTERS.configuration | durable,
        )
    return wanted


async def provision(bootstrap_servers: str, replication: int) -> list[str]:
    """Create the topics that are missing and set the settings of all; return the created ones.

    Safe to repeat and to run several times at once. Raises `TopicMismatchError` where a topic has
    another number of partitions, and `KafkaError` for what the broker refuses.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers.split(","))
    await admin.start()
    try:
        wanted = wanted_topics(replication)
        existing = {
            found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()
        }
        for name, (partitions, _) in wanted.items():
            if existing.get(name, partitions) != partitions:
                raise TopicMismatchError(f"{name}: {existing[name]} partitions, not {partitions}")
        missing = [name for name in wanted if name not in existing]
        created = await _create(admin, wanted, missing, replication)
        await _configure(admin, {name: wanted[name][1] for name in wanted if name in existing})
        return created
    finally:
        await admin.close()


async def _create(
    admin: AIOKafkaAdminClient,
    wanted: dict[str, tuple[int, dict[str, str]]],
    missing: list[str],
    replication: int,
) -> list[str]:
    if not missing:
        return []
    response = await admin.create_topics(
        [
            NewTopic(name, wanted[name][0], replication, topic_configs=wanted[name][1])
            for name in missing
        ]
    )
    created = []
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:
            raise error(name)
    return created


async def _configure(admin: AIOKafkaAdminClient, settings: dict[str, dict[str, str]]) -> None:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, configs=configs)
        for name, configs in settings.items()
    ]
    if not resources:
        return
    for response in await admin.alter_configs(resources):
        for code, _message, _type, name in response.resources:
            if code != 0:
                raise for_code(code)(name)
