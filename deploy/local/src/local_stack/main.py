"""`local-stack up` and `local-stack demo`."""

import argparse
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape

from local_stack.data import Population
from local_stack.demo import tell
from local_stack.places import WORKING_DIRECTORY
from local_stack.processes import LocalStackError
from local_stack.scene import Scene
from local_stack.seeding import publish_population
from local_stack.stack import SERVICES, SIMULATOR, Stack

FEWEST_MEMBERS = 100
"""So that each half of the studios has members that are handed over, and some are refused."""
TIME_ZONE = ZoneInfo("Europe/Berlin")
"""That of the tenant's booking days, as in the services' settings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    parser = argparse.ArgumentParser("local-stack", description=__doc__)
    parser.add_argument("command", choices=("up", "demo"))
    parser.add_argument("--members", type=int, default=1000, help="how many are seeded")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same data")
    given = parser.parse_args(arguments)
    if given.members < FEWEST_MEMBERS:
        parser.error(f"--members must be at least {FEWEST_MEMBERS}")
    # A program in the background of a script ignores Ctrl-C's signal unless it asks for it.
    for asked_to_stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked_to_stop, signal.default_int_handler)
    console = Console()
    population = Population(members=given.members, today=_today(), seed=given.seed)
    try:
        if given.command == "up":
            _stay_up(population, console)
        else:
            last_line = _tell_demo(population, console)
            print(last_line)
    except LocalStackError as error:
        console.print(f"[red]✗[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        console.print(f"The logs are in {WORKING_DIRECTORY / 'logs'}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 0 if given.command == "up" else 130
    return 0


def _tell_demo(population: Population, console: Console) -> str:
    with _started(console) as stack:
        return tell(Scene(stack, population, console), population)


def _stay_up(population: Population, console: Console) -> None:
    """Runs until it is interrupted, or until a program dies."""
    with _started(console) as stack:
        published = publish_population(stack, population, console)
        console.print(
            f"{published.members} members with {published.claims} claims of {published.studios}"
            " studios are published.",
            highlight=False,
        )
        for name in (*SERVICES, SIMULATOR):
            console.print(f"{name:18} {stack.service(name).url}", highlight=False)
        console.print(
            f"Addresses and tokens are in {stack.description}; Ctrl-C stops everything.",
            highlight=False,
            soft_wrap=True,
        )
        while not stack.dead:
            time.sleep(0.5)
        dead = ", ".join(f"{program.name} (its log: {program.log})" for program in stack.dead)
        raise LocalStackError(f"ended without being asked to: {dead}")


@contextmanager
def _started(console: Console) -> Iterator[Stack]:
    """The stack, with the ports that people know."""
    with ExitStack() as at_the_end:
        stack = Stack(known_ports=True)
        with console.status("everything starts"):
            at_the_end.enter_context(stack)
        yield stack


def _today() -> date:
    return datetime.now(TIME_ZONE).date()
