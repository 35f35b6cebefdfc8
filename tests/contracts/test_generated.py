"""Generated files: schemas and the AsyncAPI document."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from contracts import EVENTS, TOPICS, generate
from contracts.examples import FOLDER


@pytest.fixture
def document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / "asyncapi.json").read_text("utf-8"))
    return content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the generated files."""
    shutil.copytree(FOLDER / "schemas", tmp_path / "schemas")
    shutil.copy(FOLDER / "asyncapi.json", tmp_path)
    return tmp_path


def test_the_committed_files_are_up_to_date() -> None:
    assert generate.stale(FOLDER) == []


def test_each_type_has_a_schema_and_examples_and_nothing_else_has() -> None:
    names = {f"{type_}.json" for type_ in EVENTS}
    assert {path.name for path in (FOLDER / "schemas").iterdir()} == names
    assert {path.name for path in (FOLDER / "examples").iterdir()} == names


def test_stale_files_are_named_and_put_right(folder: Path) -> None:
    (folder / "asyncapi.json").write_text("{}")
    (folder / "schemas" / "case.opened.v1.json").unlink()
    (folder / "schemas" / "case.forgotten.v1.json").write_text("{}")
    assert generate.stale(folder) == [
        Path("asyncapi.json"),
        Path("schemas/case.forgotten.v1.json"),
        Path("schemas/case.opened.v1.json"),
    ]
    generate.write(folder)
    assert generate.stale(folder) == []


def test_the_check_fails_and_names_what_is_stale(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "FOLDER", folder)
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 0
    (folder / "asyncapi.json").write_text("{}")
    assert generate.main() == 1
    assert "contracts/asyncapi.json is stale" in capsys.readouterr().out
    assert (folder / "asyncapi.json").read_text() == "{}"


def test_the_document_is_asyncapi_3(document: dict[str, Any]) -> None:
    ApplicationSchema.model_validate(document)
    assert document["asyncapi"] == "3.0.0"


def references(value: object) -> list[str]:
    """All `$ref` in a document."""
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for item in value.values() for found in references(item)]
    return []


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert len(found) > len(EVENTS)
    for reference in found:
        if reference.startswith("./"):
            assert (FOLDER / reference).is_file(), reference
            continue
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        assert isinstance(target, dict)


def test_channels_are_the_topics_with_their_kafka_settings(document: dict[str, Any]) -> None:
    assert document["channels"].keys() == TOPICS.keys()
    for name, channel in document["channels"].items():
        assert channel["address"] == name
        assert tuple(channel["messages"]) == TOPICS[name].types
        assert channel["bindings"]["kafka"]["partitions"] == TOPICS[name].partitions
    kafka = document["channels"]["collection.handover.v1"]["bindings"]["kafka"]
    assert kafka["topicConfiguration"] == {
        "cleanup.policy": ["delete"],
        "retention.ms": 30 * 24 * 60 * 60 * 1000,
        "max.message.bytes": 1024 * 1024,
    }


def test_each_program_sends_and_receives_what_the_topics_say(document: dict[str, Any]) -> None:
    operations = {
        (
            operation["tags"][0]["name"],
            operation["action"],
            operation["channel"]["$ref"].removeprefix("#/channels/"),
        )
        for operation in document["operations"].values()
    }
    assert operations == {
        (program, action, topic.name)
        for topic in TOPICS.values()
        for action, programs in (("send", topic.writers), ("receive", topic.readers))
        for program in programs
    }


def test_the_example_files_of_messages_exist(document: dict[str, Any]) -> None:
    for message in document["components"]["messages"].values():
        assert (FOLDER / message["x-examples"]).is_file()
