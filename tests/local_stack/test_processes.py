"""Children never outlive the program that started them."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from local_stack.processes import ChildProcess, LocalStackError

_PROGRAM = """
import sys, time
from pathlib import Path
from local_stack.processes import ChildProcess
child = ChildProcess("shell", ["sh", "-c", "sleep 60 & wait"], log=Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_the_program_ends_its_children_and_theirs(
    tmp_path: Path, how: signal.Signals
) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout is not None
        child = psutil.Process(int(program.stdout.readline()))
        family = [child, *wait_for_children(child)]
        program.send_signal(how)
        program.wait(60)
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []


def wait_for_children(process: psutil.Process) -> list[psutil.Process]:
    ends_at = time.monotonic() + 60
    children: list[psutil.Process] = []
    while not children:
        children = process.children(recursive=True)
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    return children


def test_one_that_dies_at_its_start_is_named_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = ChildProcess("the clerk", ["sh", "-c", "echo no paper; exit 3"], log=log)
    child.start()
    with pytest.raises(LocalStackError, match=f"the clerk.*{log}.*ended at its start"):
        child.wait_until(lambda: False, limit=60)
    assert log.read_text() == "no paper\n"


def test_one_that_does_not_stop_when_asked_is_killed(tmp_path: Path) -> None:
    child = ChildProcess(
        "the stubborn", ["sh", "-c", "trap '' TERM; sleep 60 & wait; wait"], log=tmp_path / "log"
    )
    child.start()
    shell = psutil.Process(child.pid)
    family = [shell, *wait_for_children(shell)]
    child.stop(limit=0.2)
    assert not child.is_running
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []
