"""A service: what it is made of, and how it runs."""

import argparse
import asyncio
import gc
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from pydantic import ValidationError
from sqlalchemy import make_url

from kit import database, dead_letter_commands, health, idempotency, topics
from kit.auth import TokenVerifier
from kit.bounded_http import BoundedHttp
from kit.consumer import Consumer
from kit.context import Context, S
from kit.database import Database
from kit.health import Health, is_stuck
from kit.http import build_app
from kit.inbox import RETRY_PARKED, Inbox
from kit.kafka_connections import notice_broken_connections
from kit.logs import configure
from kit.measure import measuring
from kit.relay import Relay
from kit.service_role import ServiceRole
from kit.settings import say_wrong_settings
from kit.subscriptions import Subscriptions
from kit.workers import RunningWorker, Worker

log = structlog.stdlib.get_logger(__name__)

Command = Callable[[Context[Any], Sequence[str]], Awaitable[int]]
"""A command of a service's own: gets what follows its name, returns the exit code."""

_RETRY_PARKED_EVERY: Final = 2.0
_FORGET_EVERY: Final = 3600.0
_GRACE: Final = 10
"""Seconds that open requests get when the service stops."""
_NEW_OBJECTS: Final = 100_000
"""After so many more objects than went, those that are in circles are looked for."""


@dataclass(frozen=True)
class Service(Generic[S]):
    """All that is particular about one service; wired in its `main.py`, and nowhere else."""

    name: str
    settings: type[S]
    routers: Sequence[APIRouter]
    subscriptions: Subscriptions
    migrations: str
    """The package whose folder `versions` holds the Alembic migrations."""
    append_only: Sequence[str] = ()
    """Tables in which the service's role may add rows, but never change or delete one."""
    batch_parts: int = 1
    """Into how many transactions a large batch of messages is parted, by their keys or what
    `Subscriptions.handles` says. They go on at once: the database works on one while the service
    decides about another. More than two make staff who read wait longer for both. Messages of
    different parts must seldom lock the same rows."""
    workers: Sequence[Worker] = ()
    commands: Mapping[str, Command] = field(default_factory=dict)

    def app(self, settings: S) -> FastAPI:
        """Make the HTTP application; its lifespan runs everything else of the service."""

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with self._running(app, settings):
                yield

        return build_app(self.name, [*self.routers, health.router], lifespan)

    def run(self, arguments: Sequence[str] | None = None) -> int:
        """Run one command of the command line; return the exit code."""
        parser = argparse.ArgumentParser(self.name)
        commands = parser.add_subparsers(dest="command", required=True)
        commands.add_parser("serve", help="run the service")
        commands.add_parser("migrate", help="bring the database to the newest version")
        commands.add_parser("openapi", help="print the OpenAPI document")
        provisioning = commands.add_parser("topics", help="make the Kafka topics as listed")
        provisioning.add_argument("--replication", type=int, default=3)
        dead_letter_commands.add_arguments(commands.add_parser("dead-letters"))
        for name in self.commands:
            commands.add_parser(name, add_help=False)
        given, rest = parser.parse_known_args(arguments)
        if rest and given.command not in self.commands:
            parser.error(f"unknown: {' '.join(rest)}")
        if given.command == "openapi":
            # Needs no settings: nothing is started.
            print(json.dumps(self.openapi(), indent=2, ensure_ascii=False))  # noqa: T201
            return 0
        try:
            settings = self.settings()
        except ValidationError as error:
            parser.error(say_wrong_settings(error))
        configure(self.name, settings.log_level)
        return self._run_command(given, rest, settings)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document of the service's HTTP interface."""
        return build_app(self.name, self.routers, _not_started).openapi()

    def _run_command(self, given: argparse.Namespace, rest: Sequence[str], settings: S) -> int:
        match given.command:
            case "serve":
                self._serve(settings)
            case "migrate":
                self._migrate(settings)
            case "topics":
                made = asyncio.run(
                    topics.provision(settings.kafka_bootstrap_servers, given.replication)
                )
                log.info("topics are as listed", created=made)
            case "dead-letters":
                return asyncio.run(
                    dead_letter_commands.run(settings.kafka_bootstrap_servers, self.name, given)
                )
            case own:
                return asyncio.run(self._run_own(self.commands[own], rest, settings))
        return 0

    def _migrate(self, settings: S) -> None:
        owner_url = settings.migrations_database_url or settings.database_url
        owner, role = (make_url(url).username for url in (owner_url, settings.database_url))
        if role is None or role == owner:
            log.warning("one role migrates and serves: it may change everything, for development")
            database.upgrade(owner_url, self.migrations)
        else:
            database.upgrade(owner_url, self.migrations, ServiceRole(role, self.append_only))

    async def _run_own(self, command: Command, rest: Sequence[str], settings: S) -> int:
        context = Context(settings, Database(settings.database_url, self.name))
        try:
            return await command(context, rest)
        finally:
            await context.database.close()

    def _serve(self, settings: S) -> None:
        app = self.app(settings)
        # What was loaded stays for good: full collections, which stop all else meanwhile, need
        # not look through it each time. And a batch of messages makes objects by the hundred
        # thousand that go by themselves: looking through them as often as is usual takes a third
        # of all time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS, 10, 10)
        notice_broken_connections()
        # uvicorn stops in order, then sends itself the signal again, to die of it: to whoever
        # started the service that would look like a crash.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        uvicorn.run(
            app,
            host=settings.http_host,
            port=settings.http_port,
            loop="uvloop",
            http=BoundedHttp,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )

    @asynccontextmanager
    async def _running(self, app: FastAPI, settings: S) -> AsyncIterator[None]:
        context = Context(settings, Database(settings.database_url, self.name))
        verifier = TokenVerifier(
            settings.auth_issuer, settings.auth_audience, settings.auth_jwks_url
        )
        inbox = Inbox(self.name, self.subscriptions, context, self.batch_parts)
        consumer = Consumer(
            self.name, self.subscriptions.topics, inbox, settings.kafka_bootstrap_servers
        )
        relay = Relay(self.name, settings.database_url, settings.kafka_bootstrap_servers)

        workers = [
            RunningWorker(worker, context)
            for worker in (*_workers_of_the_kit(inbox, consumer), *self.workers)
        ]
        loops = {"consumer": consumer.run(), "relay": relay.run()} | {
            f"worker {worker.name}": worker.run() for worker in workers
        }
        tasks = {name: asyncio.create_task(loop, name=name) for name, loop in loops.items()}
        for task in tasks.values():
            task.add_done_callback(_report_end)

        app.state.context = context
        app.state.token_verifier = verifier
        app.state.health = Health(
            partial(_troubles, consumer, relay, workers, tasks),
            {
                "database": context.database.ping,
                "migrations": partial(self._check_migrations, context.database),
                "kafka": consumer.ping,
            },
        )
        try:
            yield
        finally:
            for task in tasks.values():
                task.remove_done_callback(_report_end)
            # The consumer first: its batch in hand ends and is committed.
            for task in tasks.values():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
            await verifier.close()
            await context.database.close()

    async def _check_migrations(self, database_: Database) -> None:
        if await database.pending(database_, self.migrations):
            raise RuntimeError("a migration is pending")


@asynccontextmanager
async def _not_started(_: FastAPI) -> AsyncIterator[None]:
    """Stand for the lifespan of an application that only describes itself."""
    yield


def _workers_of_the_kit(inbox: Inbox, consumer: Consumer) -> list[Worker]:
    async def retry_parked(_: Context[Any]) -> bool:
        return await inbox.retry_parked()

    return [
        Worker(RETRY_PARKED, retry_parked, _RETRY_PARKED_EVERY),
        measuring(consumer),
        Worker("forget old answers", _forget_old_answers, _FORGET_EVERY),
    ]


def _troubles(
    consumer: Consumer,
    relay: Relay,
    workers: Sequence[RunningWorker],
    tasks: Mapping[str, asyncio.Task[None]],
) -> list[str]:
    stuck = [worker.name for worker in workers if worker.is_stuck]
    if is_stuck(relay.last_turn):
        stuck.append("relay")
    return [
        *consumer.troubles(),
        *(f"{name} ended" for name, task in tasks.items() if task.done()),
        *(f"{name} is stuck" for name in stuck),
    ]


async def _forget_old_answers(context: Context[Any]) -> bool:
    async with context.database.begin() as connection:
        await idempotency.forget_old_answers(connection)
    return False


def _report_end(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    log.critical("a loop ended", loop=task.get_name(), exc_info=error)
