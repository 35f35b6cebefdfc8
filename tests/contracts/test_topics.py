"""The topics: how they are kept, and who reads them."""

from contracts import DEAD_LETTERS, TOPICS

SERVICES = {
    "run-service": {
        "membership.studio.v1",
        "membership.member.v1",
        "receivables.claim.v1",
        "partner.partner.v1",
        "collection.case.v1",
    },
    "case-service": {
        "collection.handover.v1",
        "collection.run.v1",
        "partner.report.v1",
        "partner.partner.v1",
        "receivables.claim.v1",
        "partner.notice.v1",
    },
    "partner-gateway": {"collection.handover.v1", "collection.run.v1", "collection.case.v1"},
    "export-service": {"collection.run.v1", "collection.handover.v1", "collection.case.v1"},
    "internal-teams": {
        "collection.run.v1",
        "collection.case.v1",
        "collection.member.v1",
        "collection.export.v1",
        "partner.notice.v1",
    },
}


def test_services_read_what_they_need_and_nothing_else() -> None:
    for service, names in SERVICES.items():
        assert {topic.name for topic in TOPICS.values() if service in topic.readers} == names


IMPORTED = {"membership.studio.v1", "membership.member.v1", "receivables.claim.v1"}


def test_each_topic_has_one_writer_its_owner_and_snapshots_the_import_as_well() -> None:
    """R12: who has no system that publishes snapshots imports them from CSV files."""
    for name, topic in TOPICS.items():
        imports = ("run-service",) if name in IMPORTED else ()
        assert topic.writers == (topic.owner, *imports)


def test_personal_data_is_read_by_services_only_and_gone_after_30_days_or_replaced() -> None:
    """R63"""
    for topic in TOPICS.values():
        if topic.personal_data:
            assert "internal-teams" not in topic.readers
            assert topic.compacted or topic.retention_days == 30


def test_facts_without_personal_data_are_kept_for_ever() -> None:
    """R60: a team that subscribes years later reads from the start."""
    for name in ("collection.run.v1", "collection.case.v1", "collection.member.v1"):
        assert TOPICS[name].configuration["retention.ms"] == "-1"
        assert TOPICS[name].configuration["cleanup.policy"] == "delete"


def test_snapshots_are_compacted() -> None:
    compacted = {topic.name for topic in TOPICS.values() if topic.compacted}
    assert compacted == {
        "membership.studio.v1",
        "membership.member.v1",
        "receivables.claim.v1",
        "partner.partner.v1",
    }


def test_dead_letters_are_kept_for_30_days_and_hold_any_message() -> None:
    assert TOPICS["collection.case.v1"].dead_letter_name == "collection.case.v1.dlq"
    assert DEAD_LETTERS.configuration == {
        "cleanup.policy": "delete",
        "retention.ms": str(30 * 24 * 60 * 60 * 1000),
        "max.message.bytes": str(2 * 1024 * 1024),
    }
    largest = max(topic.max_message_bytes for topic in TOPICS.values())
    assert largest < DEAD_LETTERS.max_message_bytes
