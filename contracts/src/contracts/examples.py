"""The golden examples of a checkout: never edited, parsed by every consumer's tests."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2]
"""The folder `contracts/` of the checkout."""


@dataclass(frozen=True, slots=True)
class Example:
    """One message as it stands in Kafka."""

    type: str
    name: str
    headers: dict[str, str]
    data: dict[str, Any]

    @property
    def kafka_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers as a Kafka client gives them."""
        return [(name, value.encode()) for name, value in self.headers.items()]

    @property
    def value(self) -> bytes:
        """The message's value."""
        return json.dumps(self.data, ensure_ascii=False).encode()


def load_examples(type_: str) -> list[Example]:
    """The golden examples of a type."""
    content = json.loads((FOLDER / "examples" / f"{type_}.json").read_text("utf-8"))
    return [
        Example(type_, example["name"], example["headers"], example["data"]) for example in content
    ]
