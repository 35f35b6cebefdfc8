"""`python -m contracts.generate`: writes the schemas and AsyncAPI from the models and topics.

With `--check` it writes nothing, names the files that are not as they should be, and exits 1.
"""

import argparse
import json
import sys
from pathlib import Path

from contracts import EVENTS, TOPICS, asyncapi
from contracts.examples import FOLDER
from contracts.schemas import writer_schema


def generated() -> dict[Path, str]:
    """The content of each generated file, by its path in the folder `contracts/`."""
    documents = {
        Path("schemas", f"{type_}.json"): writer_schema(event) for type_, event in EVENTS.items()
    }
    documents[Path("asyncapi.json")] = asyncapi.document(EVENTS, TOPICS)
    return {path: to_json(document) for path, document in documents.items()}


def to_json(document: object) -> str:
    """A document as it is committed."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def stale(folder: Path) -> list[Path]:
    """The files that are missing, differ from what would be generated, or should not be there."""
    expected = generated()
    present = {path.relative_to(folder) for path in (folder / "schemas").glob("*")}
    differing = {
        path
        for path, content in expected.items()
        if not (folder / path).is_file() or (folder / path).read_text("utf-8") != content
    }
    return sorted(differing | (present - expected.keys()))


def write(folder: Path) -> None:
    """Writes all generated files, and removes schemas that no event has any more."""
    for path in stale(folder):
        content = generated().get(path)
        if content is None:
            (folder / path).unlink()
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, "utf-8")


def main() -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, name what is stale")
    if not parser.parse_args().check:
        write(FOLDER)
        return 0
    paths = stale(FOLDER)
    for path in paths:
        sys.stdout.write(f"contracts/{path} is stale: run python -m contracts.generate\n")
    return 1 if paths else 0


if __name__ == "__main__":
    sys.exit(main())
