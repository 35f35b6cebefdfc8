"""The simulator's command line: each option is also an environment variable, SIMULATOR_<OPTION>."""

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from partner_simulator.app import create_app
from partner_simulator.behaviour import Answer, Behaviour


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulator until it is stopped."""
    given = _parser().parse_args(arguments)
    behaviour = Behaviour(
        callback_url=given.callback_url,
        secret=given.secret,
        answer=given.answer,
        reject_every=given.reject_every,
        pay_percent=given.pay_percent,
        answer_twice=given.answer_twice,
    )
    app = create_app(behaviour, given.seed)
    uvicorn.run(app, host=given.host, port=given.port, log_level="warning")


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
    option("callback-url", None, "where callbacks go; may come later by POST /behaviour")
    option("secret", None, "the partner's secret, whsec_…; may come later by POST /behaviour")
    option("answer", "CALLBACK", f"how handovers are answered: {', '.join(Answer)}", Answer)
    option("reject-every", "0", "refuse each so-manieth case; 0: none", int)
    option("pay-percent", "0", "how much of an accepted case is paid right away", int)
    option("answer-twice", "false", "send each callback twice", _is_true)
    return parser


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true", "yes"}
