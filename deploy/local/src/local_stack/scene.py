"""Where the story plays: the services as staff see them, and what is said and checked."""

from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from local_stack.data import Population
from local_stack.figures import Figures, candidates
from local_stack.http_client import Answer, ServiceClient, until
from local_stack.processes import LocalStackError
from local_stack.progress import progress_bar
from local_stack.stack import SIMULATOR, Stack


@dataclass(frozen=True)
class HandedOver:
    """A run of the story and what it must come to."""

    run_id: str
    booking_number: str
    figures: Figures


class Scene:
    """Clients of all services, the members that can be handed over, and the console."""

    def __init__(self, stack: Stack, population: Population, console: Console) -> None:
        self.stack = stack
        self.console = console
        self.candidates = list(candidates(population))
        # In seconds. Generous: a machine may be slow, and a step that hangs is told all the same.
        self.limit = 60 + len(self.candidates) / 50
        token = stack.token()
        self.runs = ServiceClient(stack.service("run-service").url, token)
        self.cases = ServiceClient(stack.service("case-service").url, token)
        self.exports = ServiceClient(stack.service("export-service").url, token)
        self.gateway = ServiceClient(stack.service("partner-gateway").url, token)
        self.simulator = ServiceClient(stack.service(SIMULATOR).url)

    def say(self, text: str) -> None:
        """One line of the story, about something that was checked."""
        line = f"[green]✓[/green] {escape(text)}"
        self.console.print(line, highlight=False, soft_wrap=True)

    def await_run(self, run: HandedOver, status: str) -> Answer:
        with progress_bar(self.console, f"run {run.booking_number}", run.figures.members) as bar:

            def ask() -> Answer:
                answer = self.runs.get(f"/v1/runs/{run.run_id}")
                bar(answer["ended"] if status == "CANCELLED" else answer["answered"])
                return answer

            return until(
                ask,
                lambda answer: answer["status"] == status,
                limit=self.limit,
                what=f"run {run.booking_number} becomes {status}",
            )


def same(what: str, found: object, expected: object) -> None:
    """Raises LocalStackError unless both are the same."""
    if found != expected:
        raise LocalStackError(f"{what}: {found}, where {expected} was expected")
