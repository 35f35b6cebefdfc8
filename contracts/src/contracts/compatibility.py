"""`python -m contracts.compatibility`: whether the contracts keep what every release promised.

Against each release, for each type: what could be written under it (also by other teams, who may
leave out what is optional) can be read by today's readers, and what is written today can be read
by its readers. A change that breaks one of these is a new type. Prints what is broken and exits 1.

The rules that models check beyond their schema (one currency in one event, the set of
currencies) are outside of this check: change them as carefully.
"""

import json
import sys
from collections.abc import Iterator

import jsoncompat

from contracts import EVENTS, UnknownEventTypeError, parse
from contracts.examples import load_examples
from contracts.releases import Release, current, released
from contracts.schemas import Schema, closed

Texts = frozenset[tuple[str | None, str | None]]
"""The pattern and format of each kind of text that a field may be."""


def broken_promises(old: Release, new: Release) -> list[str]:
    """What `old` promised and `new` does not keep, one sentence each."""
    return [*_topics(old, new), *_types(old, new), *_examples(old, new)]


def unreadable_examples() -> list[str]:
    """The golden examples that today's models cannot read, one sentence each."""
    problems = []
    for type_ in EVENTS:
        for example in load_examples(type_):
            try:
                parse(example.type, example.value)
            except (UnknownEventTypeError, ValueError):
                problems.append(f"{type_}: the example {example.name!r} cannot be read")
    return problems


def _topics(old: Release, new: Release) -> Iterator[str]:
    for name, before in old.topics.items():
        after = new.topics.get(name)
        if after is None:
            yield f"{name}: the topic was removed"
            continue
        if after.key != before.key:
            yield f"{name}: the key was changed"
        if after.partitions != before.partitions:
            yield f"{name}: the number of partitions was changed"
        if after.compacted != before.compacted:
            yield f"{name}: compaction was switched"
        if _days(after.retention_days) < _days(before.retention_days):
            yield f"{name}: messages are kept for a shorter time"
        if after.max_message_bytes < before.max_message_bytes:
            yield f"{name}: messages must be smaller"
        for type_ in set(before.types) - set(after.types):
            yield f"{type_}: the type is not in the topic {name} any more"


def _days(retention: int | None) -> float:
    return float("inf") if retention is None else retention


def _types(old: Release, new: Release) -> Iterator[str]:
    for type_ in old.writers:
        if type_ not in new.writers:
            yield f"{type_}: the type was removed"
            continue
        if not _can_read(closed(old.readers[type_]), new.readers[type_]):
            yield f"{type_}: today's readers cannot read what was written under release {old.name}"
        if not _can_read(new.writers[type_], old.readers[type_]):
            yield f"{type_}: readers of release {old.name} cannot read what is written today"
        for view, before, after in (
            ("written", old.writers[type_], new.writers[type_]),
            ("read", old.readers[type_], new.readers[type_]),
        ):
            yield from (f"{type_}: {problem} ({view})" for problem in _fields(before, after))


def _can_read(writer: Schema, reader: Schema) -> bool:
    return jsoncompat.check_compat(json.dumps(writer), json.dumps(reader), "deserializer")


def _fields(old: Schema, new: Schema) -> Iterator[str]:
    """What jsoncompat does not see: optional fields that went, and other patterns and formats.

    Whether one pattern allows all that another does is not decided here: any change breaks.
    """
    before, after = dict(_texts(old, old, "")), dict(_texts(new, new, ""))
    for path, texts in before.items():
        if path not in after:
            yield f"the field {path} was removed"
        elif after[path] != texts:
            yield f"the pattern or format of {path} was changed"


def _texts(schema: Schema, part: Schema, path: str) -> Iterator[tuple[str, Texts]]:
    """Each field's path, and the texts that it may be."""
    kinds = _kinds(schema, part)
    if path:
        yield path, frozenset((kind.get("pattern"), kind.get("format")) for kind in kinds)
    for kind in kinds:
        for name, field in kind.get("properties", {}).items():
            yield from _texts(schema, field, f"{path}.{name}".removeprefix("."))
        if "items" in kind:
            yield from _texts(schema, kind["items"], f"{path}[]")


def _kinds(schema: Schema, part: Schema) -> list[Schema]:
    """What a value may be: the alternatives of `anyOf`, with references followed."""
    if "$ref" in part:
        return _kinds(schema, schema["$defs"][part["$ref"].removeprefix("#/$defs/")])
    if "anyOf" in part:
        return [kind for choice in part["anyOf"] for kind in _kinds(schema, choice)]
    return [part]


def _examples(old: Release, new: Release) -> Iterator[str]:
    for type_, examples in old.examples.items():
        for name, digest in examples.items():
            if new.examples.get(type_, {}).get(name) != digest:
                yield f"{type_}: the golden example {name!r} was changed or removed"


def main() -> int:
    """The command; returns its exit status."""
    now = current()
    problems = [problem for release in released() for problem in broken_promises(release, now)]
    problems += unreadable_examples()
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
