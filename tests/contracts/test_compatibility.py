"""Releases are promises: each kind of broken promise is found."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts import Topic, compatibility, release, releases
from contracts.compatibility import broken_promises, unreadable_examples
from contracts.releases import Release, current, read, released, save
from contracts.schemas import Schema

TYPE = "case.payment-booked.v1"
TOPIC = "collection.handover.v1"


@pytest.fixture(scope="module")
def now() -> Release:
    return current()


def with_schemas(promise: Release, change: Callable[[Schema, bool], None]) -> Release:
    """The release with one type changed in both views; `change` is told which is the writer's."""
    changed = copy.deepcopy(promise)
    change(changed.writers[TYPE], True)
    change(changed.readers[TYPE], False)
    return changed


def with_topic(promise: Release, **changes: Any) -> Release:
    """The release with one topic changed."""
    topic: Topic = replace(promise.topics[TOPIC], **changes)
    return replace(promise, topics=promise.topics | {TOPIC: topic})


def test_the_contracts_keep_what_every_release_promised(now: Release) -> None:
    promises = released()
    assert [promise.name for promise in promises] == [str(n + 1) for n in range(len(promises))]
    assert [problem for promise in promises for problem in broken_promises(promise, now)] == []
    assert unreadable_examples() == []


def test_nothing_is_broken_when_nothing_changed(now: Release) -> None:
    assert broken_promises(now, now) == []


def add_optional_field(schema: Schema, writer: bool) -> None:
    schema["properties"]["colour"] = {"type": "string", "default": "blue"}
    if writer:
        schema["required"].append("colour")


def change_description(schema: Schema, writer: bool) -> None:
    schema["properties"]["amount"]["description"] = "Better words."


def accept_more_but_write_the_same(schema: Schema, writer: bool) -> None:
    if not writer:
        schema["properties"]["booked_by"]["enum"].append("ROBOT")
        schema["properties"]["shares"]["maxItems"] = 1000


@pytest.mark.parametrize(
    "change", [add_optional_field, change_description, accept_more_but_write_the_same]
)
def test_harmless_changes_are_allowed(now: Release, change: Callable[[Schema, bool], None]) -> None:
    assert broken_promises(now, with_schemas(now, change)) == []


def remove_field(schema: Schema, writer: bool) -> None:
    del schema["properties"]["amount"]
    schema["required"].remove("amount")


def remove_optional_field(schema: Schema, writer: bool) -> None:
    del schema["properties"]["partner_reference"]
    if writer:
        schema["required"].remove("partner_reference")


def remove_field_of_a_part(schema: Schema, writer: bool) -> None:
    del schema["$defs"]["ClaimShare"]["properties"]["open"]
    schema["$defs"]["ClaimShare"]["required"].remove("open")


def add_required_field(schema: Schema, writer: bool) -> None:
    schema["properties"]["colour"] = {"type": "string"}
    schema["required"].append("colour")


def make_required(schema: Schema, writer: bool) -> None:
    if not writer:
        schema["required"].append("partner_reference")


def make_nullable(schema: Schema, writer: bool) -> None:
    day = schema["properties"]["booking_date"]
    schema["properties"]["booking_date"] = {"anyOf": [day, {"type": "null"}]}


def change_type(schema: Schema, writer: bool) -> None:
    schema["properties"]["booking_date"] = {"type": "integer"}


def narrow_pattern(schema: Schema, writer: bool) -> None:
    schema["$defs"]["Money"]["properties"]["amount"]["pattern"] = r"^[0-9]\.[0-9]{2}$"


def widen_pattern(schema: Schema, writer: bool) -> None:
    schema["$defs"]["Money"]["properties"]["currency"]["pattern"] = r"^[A-Z]{3,4}$"


def change_format(schema: Schema, writer: bool) -> None:
    schema["properties"]["partner_reference"]["anyOf"][0]["format"] = "uuid"


def add_enum_value(schema: Schema, writer: bool) -> None:
    schema["properties"]["booked_by"]["enum"].append("ROBOT")


def remove_enum_value(schema: Schema, writer: bool) -> None:
    schema["properties"]["booked_by"]["enum"].remove("SYSTEM")


def shorten_text(schema: Schema, writer: bool) -> None:
    schema["properties"]["partner_reference"]["anyOf"][0]["maxLength"] = 50


def lengthen_list(schema: Schema, writer: bool) -> None:
    schema["properties"]["shares"]["maxItems"] = 1000


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (remove_field, "readers of release current cannot read what is written today"),
        (remove_optional_field, "the field partner_reference was removed (written)"),
        (remove_field_of_a_part, "the field shares[].open was removed (read)"),
        (add_required_field, "today's readers cannot read what was written under release current"),
        (make_required, "today's readers cannot read what was written under release current"),
        (make_nullable, "readers of release current cannot read what is written today"),
        (change_type, "today's readers cannot read what was written under release current"),
        (narrow_pattern, "the pattern or format of amount.amount was changed (read)"),
        (widen_pattern, "the pattern or format of amount.currency was changed (written)"),
        (change_format, "the pattern or format of partner_reference was changed (read)"),
        (add_enum_value, "readers of release current cannot read what is written today"),
        (remove_enum_value, "today's readers cannot read what was written under release current"),
        (shorten_text, "today's readers cannot read what was written under release current"),
        (lengthen_list, "readers of release current cannot read what is written today"),
    ],
)
def test_a_change_that_breaks_readers_or_writers_is_found(
    now: Release, change: Callable[[Schema, bool], None], problem: str
) -> None:
    problems = broken_promises(now, with_schemas(now, change))
    assert f"{TYPE}: {problem}" in problems
    assert all(found.startswith(f"{TYPE}: ") for found in problems)


def test_a_removed_type_is_found(now: Release) -> None:
    changed = copy.deepcopy(now)
    del changed.writers[TYPE], changed.readers[TYPE]
    assert broken_promises(now, changed) == [f"{TYPE}: the type was removed"]


def test_a_removed_topic_is_found(now: Release) -> None:
    topics = {name: topic for name, topic in now.topics.items() if name != TOPIC}
    problems = broken_promises(now, replace(now, topics=topics))
    assert problems == [f"{TOPIC}: the topic was removed"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"key": ("case_id",)}, "the key was changed"),
        ({"partitions": 12}, "the number of partitions was changed"),
        ({"compacted": True}, "compaction was switched"),
        ({"retention_days": 29}, "messages are kept for a shorter time"),
        ({"max_message_bytes": 1000}, "messages must be smaller"),
    ],
)
def test_a_changed_topic_is_found(now: Release, changes: dict[str, Any], problem: str) -> None:
    assert broken_promises(now, with_topic(now, **changes)) == [f"{TOPIC}: {problem}"]


def test_a_topic_that_was_to_be_kept_for_ever_must_be(now: Release) -> None:
    forever = with_topic(now, retention_days=None)
    assert broken_promises(forever, now) == [f"{TOPIC}: messages are kept for a shorter time"]
    assert broken_promises(now, forever) == []


def test_a_type_that_moved_to_another_topic_is_found(now: Release) -> None:
    problems = broken_promises(now, with_topic(now, types=()))
    assert problems == [f"member.handed-over.v1: the type is not in the topic {TOPIC} any more"]


def test_an_edited_or_removed_golden_example_is_found(now: Release) -> None:
    name = next(iter(now.examples[TYPE]))
    problem = f"{TYPE}: the golden example {name!r} was changed or removed"
    edited = copy.deepcopy(now)
    edited.examples[TYPE][name] = "0" * 64
    assert broken_promises(now, edited) == [problem]
    removed = copy.deepcopy(now)
    del removed.examples[TYPE][name]
    assert broken_promises(now, removed) == [problem]
    added = copy.deepcopy(now)
    added.examples[TYPE]["a new one"] = "0" * 64
    assert broken_promises(now, added) == []


def test_a_release_comes_back_from_its_files(now: Release, tmp_path: Path) -> None:
    save(tmp_path / "1", now)
    again = read(tmp_path / "1")
    assert replace(again, name=now.name) == now


@pytest.mark.parametrize("broken", [False, True])
def test_a_release_is_made_unless_a_promise_is_broken(
    now: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    save(tmp_path / "1", now)
    if broken:
        topics = tmp_path / "1" / "topics.toml"
        topics.write_text(topics.read_text().replace("retention = 30", "retention = 31"))
    for module in (releases, release):
        monkeypatch.setattr(module, "RELEASED", tmp_path)
    assert release.main() == int(broken)
    assert sorted(path.name for path in tmp_path.iterdir()) == (["1"] if broken else ["1", "2"])
    assert compatibility.main() == int(broken)
