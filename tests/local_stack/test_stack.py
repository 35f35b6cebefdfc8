"""What fails at the start of the stack is named, and leaves nothing behind."""

from pathlib import Path

import pytest

from local_stack.processes import LocalStackError
from local_stack.stack import Stack
from tests.local_stack.family import family


def test_a_service_that_does_not_start_is_named_with_its_log_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    before = family()
    broken = {"run-service": {"LOG_LEVEL": "LOUD"}}
    with pytest.raises(LocalStackError, match=r"run-service.*run-service\.log"):
        Stack(tmp_path, settings=broken).__enter__()
    assert "LOG_LEVEL" in (tmp_path / "logs/run-service.log").read_text().upper()
    assert family() <= before
