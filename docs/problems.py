"""`python docs/problems.py`: writes docs/problems.md, every kind of problem that is answered with.

With `--check` it writes nothing, and exits 1 when the file is not as it should be.
"""

import importlib
import sys

import made_files

from kit.problems import CATALOGUE, ProblemType

SERVICES = ("run-service", "case-service", "export-service", "partner-gateway")

_HEAD = """\
# Problems

Made by `python docs/problems.py` from what the code defines: do not edit.

An answer other than the one that was asked for is a problem (RFC 9457), with the media type
`application/problem+json`. Programs recognise it by `type`, which never changes. `detail` and
`errors` are for people; `errors` names each field that is wrong. Quote `request_id` when you ask
for help: it is the `correlation_id` in the logs.

```json
{
  "type": "urn:collection:problem:invalid-request",
  "title": "Invalid request",
  "status": 422,
  "request_id": "019e8c5e-7f0e-7bd4-a5a5-3f1b1f1c5a10",
  "errors": [{"field": "amount.currency", "message": "Must be the currency of the case"}]
}
```

A status that is not listed here comes with the type `about:blank`.
"""


def document() -> str:
    """Return the file's content: what all services answer with, then what each one adds."""
    known = dict(CATALOGUE)
    parts = [_HEAD, _section("Every service", known)]
    for service in SERVICES:
        importlib.import_module(f"{service.replace('-', '_')}.main")  # defines its problems
        own = {name: kind for name, kind in CATALOGUE.items() if name not in known}
        known |= own
        parts.append(_section(service, own))
    return "\n".join(parts)


def _section(title: str, kinds: dict[str, ProblemType]) -> str:
    rows = [
        f"| `{kind.urn}` | {kind.status} | {kind.title} | {kind.advice} |\n"
        for kind in sorted(kinds.values(), key=lambda kind: (kind.status, kind.name))
    ]
    head = f"## {title}\n\n| Type | Status | Meaning | What to do |\n|---|---|---|---|\n"
    return head + "".join(rows)


if __name__ == "__main__":
    sys.exit(made_files.main(__file__, document()))
