"""Says what of the Partner API holds at an agency's sandbox, rule by rule.

It hands over synthetic cases, and some that must be refused. Exit status: 0 if no rule is
violated, 1 if one is, 2 if it could not check.
"""

import argparse
import asyncio
import base64
import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

from partner_conformance.check import Verdict, check
from partner_conformance.listener import CannotListenError, listening
from partner_conformance.sandbox import Sandbox, UnreachableError
from partner_conformance.session import Session

_LIMIT_SECONDS = 15.0


def main() -> None:
    """Run the check and exit."""
    sys.exit(asyncio.run(run(arguments())))


async def run(given: argparse.Namespace) -> int:
    """Check and print line by line; return the exit status."""
    sandbox = Sandbox(given.base_url, given.secret, given.token, _LIMIT_SECONDS)
    try:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(sandbox.close)
            listener = None
            if given.callback_port is not None:
                listener = await stack.enter_async_context(
                    listening(given.secret, given.callback_port)
                )
            return await _print(Session(sandbox, listener, given.wait))
    except (UnreachableError, CannotListenError) as error:
        print(f"could not check: {error}", file=sys.stderr)
        return 2


async def _print(session: Session) -> int:
    found: Counter[Verdict] = Counter()
    async for finding in check(session):
        found[finding.verdict] += 1
        print(f"{finding.verdict:13} {finding.rule.name:20} {finding.rule.says}: {finding.seen}")
    print("; ".join(f"{found[verdict]} {verdict}" for verdict in Verdict))
    return 1 if found[Verdict.VIOLATED] else 0


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        "partner-conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--base-url", required=True, help="the sandbox, as the partner is set up with it"
    )
    parser.add_argument(
        "--secret",
        type=_secret,
        default=os.environ.get("CONFORMANCE_SECRET"),
        required="CONFORMANCE_SECRET" not in os.environ,
        help="the secret that both sides know, whsec_…; or in CONFORMANCE_SECRET",
    )
    parser.add_argument(
        "--token",
        default=os.environ.get("CONFORMANCE_TOKEN"),
        help="bearer token that the sandbox wants besides; or in CONFORMANCE_TOKEN",
    )
    parser.add_argument(
        "--callback-port",
        type=int,
        help="listen here for callbacks: tell the sandbox to call back to this machine",
    )
    parser.add_argument(
        "--wait", type=float, default=60, help="seconds to wait for callbacks (default: 60)"
    )
    return parser.parse_args(given)


def _secret(text: str) -> str:
    # With any other error argparse would print the secret.
    wrong = argparse.ArgumentTypeError("must be whsec_ and base64")
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise wrong from None
    if not key:
        raise wrong
    return text
