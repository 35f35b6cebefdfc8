"""Child processes that never outlive the program that started them.

Each child leads a process group of its own, so that a Ctrl-C in the terminal reaches only the
program, which then stops its children in order. A watchdog process holds the reading end of a
pipe: when the program is gone, however it went (`kill -9` too), the watchdog reads the end of
the file and kills every group that is still registered.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# The watchdog needs nothing but the standard library; `-I -S` starts it in a few milliseconds.
_WATCHDOG = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    sign, group = line[0], int(line[1:])
    groups.add(group) if sign == "+" else groups.discard(group)
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


_PAUSE = 0.1


class LocalStackError(Exception):
    """Something that the reader of the message can mend: it says what, and how."""


class _Watchdog:
    """The one watchdog of this program, started with its first child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe: int | None = None

    def tell(self, sign: str, group: int) -> None:
        with self._lock:
            if self._pipe is None:
                self._pipe = self._start()
            os.write(self._pipe, f"{sign}{group}\n".encode())

    def _start(self) -> int:
        reading_end, writing_end = os.pipe()
        watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WATCHDOG],
            stdin=reading_end,
            start_new_session=True,
        )
        os.close(reading_end)
        watchdog.returncode = 0  # it outlives this program for a moment: nobody waits for it
        return writing_end


_watchdog = _Watchdog()


class ChildProcess:
    """One program that this program started, in a process group of its own.

    What it prints goes to the end of `log`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(part) for part in command]
        self._environment = dict(environment) if environment is not None else None
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        process = self._process  # another thread may stop it just now
        return process is not None and process.poll() is None

    def start(self) -> None:
        """Starts it; does not wait until it can be used."""
        if self.is_running:
            raise RuntimeError(f"{self.name} is running already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._directory,
                start_new_session=True,
            )
        _watchdog.tell("+", self._process.pid)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, limit: float = 30) -> None:
        """Asks it to stop and waits; after `limit` seconds its group is killed."""
        if self._process is None:
            return
        if self.is_running:
            self._process.send_signal(with_signal)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(limit)
        self.kill()

    def kill(self) -> None:
        """Kills the whole group at once (SIGKILL), as a crash would."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):  # when the whole group had ended already
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        _watchdog.tell("-", self._process.pid)
        self._process = None  # its number may become another's

    def wait_until(self, is_ready: Callable[[], bool], limit: float) -> None:
        """Waits until `is_ready()`; says where the log lies when it died or took too long."""

        def is_ready_or_dead() -> bool:
            return is_ready() or not self.is_running

        what = f"{self.name} (its log: {self.log})"
        wait_until(is_ready_or_dead, limit=limit, what=what)
        if not self.is_running:
            raise LocalStackError(f"{what} ended at its start")


def wait_until(is_ready: Callable[[], bool], *, limit: float, what: str) -> None:
    """Waits until `is_ready()`, at most `limit` seconds; `what` names it in the error."""
    ends_at = time.monotonic() + limit
    while not is_ready():
        if time.monotonic() > ends_at:
            raise LocalStackError(f"{what} was not ready after {limit:.0f} seconds")
        time.sleep(_PAUSE)
