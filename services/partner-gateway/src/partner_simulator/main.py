"""The simulator's command line: each option is also an environment variable, SIMULATOR_<OPTION>."""

import argparse
import base64
import json
import os
import secrets
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import ValidationError

from partner_simulator.app import create_app
from partner_simulator.behaviour import Answer, Behaviour

_BEHAVIOUR = ("callback_url", "secret", "answer", "reject_every", "pay_percent", "answer_twice")

_HELLO = """\
partner-simulator answers the Partner API at {url} until Ctrl-C.

  Its secret:       {secret}
  Calls back to:    {callback_url}
  Set both:         curl {url}/behaviour -H 'Content-Type: application/json' \\
                      -d '{{"secret": "whsec_…", "callback_url": "https://…"}}'
  What it can do:   curl {url}/openapi.json, or {url}/docs in a browser
  An example: every tenth case is refused, the others are accepted and pay in two parts
    curl {url}/behaviour -H 'Content-Type: application/json' -d '{{"rules": [
      {{"of": "CASE", "every": 10, "steps": [{{"step": "REFUSE", "reason_code": "ABROAD"}}]}},
      {{"of": "CASE", "steps": ["ACCEPT", {{"step": "PAY", "percent": 30}},
                              {{"step": "WAIT", "seconds": 5}}, {{"step": "PAY", "percent": 70}}]}}
    ]}}'
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulator until it is stopped."""
    parser = _parser()
    given = parser.parse_args(arguments)
    chosen = {name: value for name in _BEHAVIOUR if (value := getattr(given, name)) is not None}
    try:
        scenario = {} if given.scenario is None else read_scenario(given.scenario)
        behaviour = Behaviour.model_validate({"secret": _new_secret(), **scenario, **chosen})
    except (OSError, ValueError) as error:
        parser.error(_why(error))
    print(
        _HELLO.format(
            url=f"http://{given.host}:{given.port}",
            secret=behaviour.secret,
            callback_url=behaviour.callback_url or "nowhere yet",
        ),
        flush=True,
    )
    app = create_app(behaviour, given.seed)
    uvicorn.run(app, host=given.host, port=given.port, log_level="warning")


def read_scenario(path: Path) -> dict[str, Any]:
    """Read a behaviour from a file, TOML or JSON (by its name); raises `OSError`, `ValueError`."""
    text = path.read_text(encoding="utf-8")
    said: dict[str, Any] = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    return said


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
    return str(error)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("partner-simulator", description=__doc__)

    def option(
        name: str, default: str | None, help_: str, type_: Callable[[str], Any] = str
    ) -> None:
        variable = "SIMULATOR_" + name.upper().replace("-", "_")
        parser.add_argument(
            f"--{name}", default=os.environ.get(variable, default), help=help_, type=type_
        )

    option("host", "127.0.0.1", "address to listen on")
    option("port", "8010", "port to listen on", int)
    option("seed", "1", "the same seed decides the same", int)
    option("scenario", None, "file with a behaviour, TOML or JSON; options count more", Path)
    option("callback-url", None, "where callbacks go; may come later by POST /behaviour")
    option("secret", None, "the partner's secret, whsec_…; default: a new one, which is printed")
    option("answer", None, f"how handovers are answered: {', '.join(Answer)}", Answer)
    option("reject-every", None, "refuse each so-manieth case; 0: none", int)
    option("pay-percent", None, "how much of an accepted case is paid right away", int)
    option("answer-twice", None, "send each callback twice", _is_true)
    return parser


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true", "yes"}
