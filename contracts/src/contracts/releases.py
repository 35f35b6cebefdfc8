"""Releases of the contracts: what was promised to other teams and must stay true."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import EVENTS
from contracts.examples import FOLDER, load_examples
from contracts.generate import to_json
from contracts.schemas import Schema, reader_schema, writer_schema
from contracts.topics import Topic, load

RELEASED = FOLDER / "released"
_TOPICS_FILE = Path(__file__).with_name("topics.toml")


@dataclass(frozen=True)
class Release:
    """All that a release promises."""

    name: str
    writers: dict[str, Schema]
    """The writer's view of each type."""
    readers: dict[str, Schema]
    """The reader's view of each type."""
    examples: dict[str, dict[str, str]]
    """For each type its golden examples: name → SHA-256."""
    topics: dict[str, Topic]


def current() -> Release:
    """What a release that is made now would promise."""
    return Release(
        name="current",
        writers={type_: writer_schema(event) for type_, event in EVENTS.items()},
        readers={type_: reader_schema(event) for type_, event in EVENTS.items()},
        examples={
            type_: {
                example.name: _digest([example.headers, example.data])
                for example in load_examples(type_)
            }
            for type_ in EVENTS
        },
        topics=load(_TOPICS_FILE.read_text("utf-8"))[0],
    )


def released() -> list[Release]:
    """All releases, the oldest first."""
    return [read(folder) for folder in sorted(RELEASED.iterdir(), key=lambda path: int(path.name))]


def save(folder: Path, release: Release) -> None:
    """Writes a release into a new folder."""
    folder.mkdir(parents=True)
    for view, schemas in (("writer", release.writers), ("reader", release.readers)):
        (folder / view).mkdir()
        for type_, schema in schemas.items():
            (folder / view / f"{type_}.json").write_text(to_json(schema), "utf-8")
    (folder / "examples.json").write_text(to_json(release.examples), "utf-8")
    (folder / "topics.toml").write_bytes(_TOPICS_FILE.read_bytes())


def read(folder: Path) -> Release:
    """The release in a folder."""
    return Release(
        name=folder.name,
        writers=_read_schemas(folder / "writer"),
        readers=_read_schemas(folder / "reader"),
        examples=json.loads((folder / "examples.json").read_text("utf-8")),
        topics=load((folder / "topics.toml").read_text("utf-8"))[0],
    )


def _read_schemas(folder: Path) -> dict[str, Schema]:
    return {
        path.name.removesuffix(".json"): json.loads(path.read_text("utf-8"))
        for path in sorted(folder.iterdir())
    }


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
