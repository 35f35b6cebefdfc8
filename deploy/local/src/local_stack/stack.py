"""The whole system on one machine: PostgreSQL, Kafka, an issuer, four services, a partner."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO
from uuid import UUID, uuid4

from cryptography.fernet import Fernet

from local_stack import engines
from local_stack.issuer import AUDIENCE, ROLES, Issuer
from local_stack.places import WORKING_DIRECTORY
from local_stack.ports import HOST, free_port
from local_stack.processes import ChildProcess, LocalStackError

# In the order of the ports that they prefer, from 8001 on; the issuer comes after the simulator.
SERVICES = ("run-service", "case-service", "export-service", "partner-gateway")
SIMULATOR = "partner-simulator"
_FIRST_PORT = 8001
_SECONDS_TO_GET_READY = 120


class Program(ChildProcess):
    """A service of ours, or the partner simulator: `start` waits until it is ready."""

    def __init__(
        self,
        name: str,
        *arguments: str,
        port: int,
        ready_path: str,
        log: Path,
        settings: Mapping[str, str],
    ) -> None:
        self.url = f"http://{HOST}:{port}"
        self._port = port
        self._ready_path = ready_path
        self.settings = dict(settings)
        self._command_line = [sys.executable, "-m", name.replace("-", "_")]
        super().__init__(
            name,
            [*self._command_line, *arguments],
            log=log,
            environment=os.environ | self.settings,
        )

    def start(self) -> None:
        super().start()
        self.wait_until(self.is_ready, limit=_SECONDS_TO_GET_READY)

    def is_ready(self) -> bool:
        connection = HTTPConnection(HOST, self._port, timeout=5)
        try:
            connection.request("GET", self._ready_path)
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def run(
        self, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs another command of it, such as `audit`, to its end; more `settings` may be given."""
        return subprocess.run(
            [*self._command_line, *arguments],
            env=os.environ | self.settings | dict(settings or {}),
            capture_output=True,
            text=True,
            check=False,
        )

    def run_or_fail(self, *arguments: str, settings: Mapping[str, str] | None = None) -> None:
        done = self.run(*arguments, settings=settings)
        with self.log.open("a") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode != 0:
            raise LocalStackError(
                f"{self.name} {' '.join(arguments)} failed ({done.returncode}); its log: {self.log}"
            )


class Stack:
    """Everything runs between `start` and `stop`; as a context manager it is started and stopped.

    Its data is new each time and lies in `directory`, with the logs and `stack.json`. Several
    stacks with directories of their own can run at once. With `known_ports` the programs get the
    ports from 8001 on where those are free. `settings` are more environment variables for a
    program, by its name.
    """

    def __init__(
        self,
        directory: Path = WORKING_DIRECTORY,
        *,
        known_ports: bool = False,
        settings: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.logs = self.directory / "logs"
        self.description = self.directory / "stack.json"
        self.tenant_id = uuid4()
        self._data = self.directory / "data"
        self._lock = _lock(self.directory)
        self._more_settings = settings or {}
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        ports = iter(range(_FIRST_PORT, _FIRST_PORT + len(SERVICES) + 2))
        self._ports = {
            name: free_port(next(ports) if known_ports else 0)
            for name in (*SERVICES, SIMULATOR, "issuer")
        }
        self.issuer = Issuer(self._ports["issuer"])
        self.postgres = engines.postgres(self._data / "postgres", log=self.logs / "postgres.log")
        self.kafka = engines.kafka(self._data / "kafka", log=self.logs / "kafka.log")
        self._programs: dict[str, Program] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts everything and waits until it can be used."""
        self.issuer.start()
        self.postgres.start()
        for service in SERVICES:
            self.postgres.create_database(_role(service), owner=f"{_role(service)}_owner")
            self._programs[service] = self._service(service)
        self._programs[SIMULATOR] = self._simulator()
        _at_once(
            self._start_kafka,
            *[partial(self._migrate, service) for service in SERVICES],
        )
        _at_once(*[program.start for program in self._programs.values()])
        self._describe()

    def _start_kafka(self) -> None:
        self.kafka.start()
        self._programs[SERVICES[0]].run_or_fail("topics", "--replication", "1")

    def _migrate(self, service: str) -> None:
        # A service that runs does not know the owner's password.
        owner = {"MIGRATIONS_DATABASE_URL": _for_service(self.postgres.owner_url(_role(service)))}
        self._programs[service].run_or_fail("migrate", settings=owner)

    def stop(self) -> None:
        """Stops everything; what was not started is left alone."""
        self.description.unlink(missing_ok=True)
        _at_once(*[program.stop for program in self._programs.values()])
        _at_once(self.kafka.remove, self.postgres.remove, self.issuer.stop)
        self._lock.close()

    def service(self, name: str) -> Program:
        """A service by its name, such as `run-service`, or the partner simulator."""
        return self._programs[name]

    @property
    def dead(self) -> list[Program]:
        """The programs that do not run, though they should."""
        return [program for program in self._programs.values() if not program.is_running]

    def database_url(self, service: str) -> str:
        """Address of the service's database, for its own role."""
        return self.postgres.url(_role(service))

    def token(
        self, *roles: str, tenant_id: UUID | None = None, studio_ids: Iterable[UUID] | None = None
    ) -> str:
        """A token with these roles (else all of them), of this tenant (else the seeded one)."""
        return self.issuer.token(
            tenant_id or self.tenant_id,
            roles or ROLES,
            studio_ids=None if studio_ids is None else list(studio_ids),
        )

    def _service(self, name: str) -> Program:
        port = self._ports[name]
        settings = {
            "HTTP_HOST": HOST,
            "HTTP_PORT": str(port),
            "DATABASE_URL": _for_service(self.database_url(name)),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "AUTH_ISSUER": self.issuer.url,
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_JWKS_URL": self.issuer.jwks_url,
        }
        match name:
            case "export-service":
                settings["EXPORT_DIRECTORY"] = str(self._data / "exports")
            case "partner-gateway":
                settings["ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
                settings["TRUSTED_PARTNER_HOSTS"] = HOST
                settings["RETRY_DELAYS_SECONDS"] = "1,2,5,10"
        return Program(
            name,
            "serve",
            port=port,
            ready_path="/health/ready",
            log=self.logs / f"{name}.log",
            settings=settings | dict(self._more_settings.get(name, {})),
        )

    def _simulator(self) -> Program:
        port = self._ports[SIMULATOR]
        settings = {"SIMULATOR_HOST": HOST, "SIMULATOR_PORT": str(port)}
        return Program(
            SIMULATOR,
            port=port,
            ready_path="/state",
            log=self.logs / f"{SIMULATOR}.log",
            settings=settings | dict(self._more_settings.get(SIMULATOR, {})),
        )

    def _describe(self) -> None:
        """Writes what programs need to use the stack; it holds secrets."""
        description = {
            "services": {name: self._programs[name].url for name in SERVICES},
            "kafka": self.kafka.bootstrap_servers,
            "postgres": {name: self.database_url(name) for name in SERVICES},
            "tokens": {role: self.token(role) for role in ROLES},
            "partner_simulator": self._programs[SIMULATOR].url,
        }
        self.description.touch(mode=0o600)
        self.description.write_text(json.dumps(description, indent=2) + "\n")


def _lock(directory: Path) -> TextIO:
    """Holds the directory until the file is closed, or this program has ended."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise LocalStackError(f"another local stack runs in {directory}: stop it first") from None
    return lock


def _role(service: str) -> str:
    return service.replace("-", "_")


def _for_service(url: str) -> str:
    """An address of a database as the settings of a service name it."""
    return url.replace("://", "+asyncpg://", 1)


def _at_once(*actions: Callable[[], None]) -> None:
    """Does all of them at the same time; raises the first error when all have ended."""
    if not actions:
        return
    with ThreadPoolExecutor(len(actions)) as threads:
        ended = [threads.submit(action) for action in actions]
    for action in ended:
        action.result()
