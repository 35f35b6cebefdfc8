"""R63: personal data stays out of logs, whatever writes them."""

import asyncio
import io
import json
import logging
import math
import sys
import threading
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import structlog
from fastapi import APIRouter
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import text

from kit import logs
from kit.database import Database
from kit.http import Body, build_app
from kit.problems import unprocessable
from kit.trace import carried
from tests.kit.conftest import client_of, no_lifespan

NAME = "Erika Mustermann"
IBAN = "DE02120300000000202051"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Output:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines written since, each one JSON object; none names the member."""
        written = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        for value in (NAME, IBAN, "Mustermann"):
            assert value not in written
        return [json.loads(line) for line in written.splitlines()]

    def line(self) -> dict[str, Any]:
        """Return the one line that was written."""
        (line,) = self.lines()
        return line


@pytest.fixture
def output(
    request: pytest.FixtureRequest, restored_logging: None, monkeypatch: pytest.MonkeyPatch
) -> Output:
    """The standard output of a service, at level INFO unless the test names another."""
    output = Output()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", output.stream)
        logs.configure("test-service", getattr(request, "param", "INFO"))
    return output


def _raise(error: BaseException) -> None:
    raise error


def test_a_line_says_when_who_what_and_for_which_request(output: Output) -> None:
    log = structlog.stdlib.get_logger("run_service.create_run")
    with carried("request-1", TRACEPARENT):
        log.info("run-created", members=3)
    line = output.line()
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "info",
        "service": "test-service",
        "logger": "run_service.create_run",
        "event": "run-created",
        "correlation_id": "request-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "members": 3,
    }


def test_libraries_are_rendered_the_same_way(output: Output) -> None:
    logging.getLogger("uvicorn.error").info("Started server on %s", "port 1")
    line = output.line()
    assert (line["logger"], line["level"]) == ("uvicorn.error", "info")
    assert line["event"] == "Started server on port 1"


def test_what_a_library_repeats_is_said_once_in_a_while(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.repeated_lines._SILENCE_SECONDS", math.inf)
    library, ours = logging.getLogger("aiokafka"), structlog.stdlib.get_logger("kit.relay")
    for _ in range(3):
        library.error("Unable connect to node with id %s: %s", 1, ConnectionRefusedError())
        library.error("Unable connect to node with id %s: %s", 2, ConnectionRefusedError())
        ours.warning("kafka is not reachable")
    said = [line["event"] for line in output.lines()]
    assert said.count("kafka is not reachable") == 3
    assert [line[-25:] for line in said if "node" in line] == [
        "1: ConnectionRefusedError",
        "2: ConnectionRefusedError",
    ]
    monkeypatch.setattr("kit.repeated_lines._SILENCE_SECONDS", 0.0)
    library.error("Unable connect to node with id %s: %s", 1, ConnectionRefusedError())
    assert output.line()["left_out"] == 2
    library.error("Unable connect to node with id %s: %s", 1, ConnectionRefusedError())
    assert "left_out" not in output.line()


def test_lines_below_the_level_are_not_written(output: Output) -> None:
    structlog.stdlib.get_logger("kit").debug("not seen")
    structlog.stdlib.get_logger("kit").info("seen")
    assert output.line()["event"] == "seen"


@pytest.mark.parametrize("output", ["DEBUG"], indirect=True)
def test_libraries_write_nothing_below_warning_whatever_the_level(output: Output) -> None:
    """They would write addresses, rows and messages."""
    structlog.stdlib.get_logger("kit").debug("seen")
    logging.getLogger("aiokafka.consumer").debug("record of %s", NAME)
    logging.getLogger("sqlalchemy.engine.Engine").debug("Row (%s)", NAME)
    logging.getLogger("httpx").info("GET /members?name=%s", NAME)
    assert output.line()["event"] == "seen"


def test_values_are_written_plainly_and_objects_not_at_all(output: Output) -> None:
    class Member:
        def __repr__(self) -> str:
            return NAME

    structlog.stdlib.get_logger("kit").info(
        "values",
        id=UUID(int=1),
        day=date(2026, 1, 2),
        at=datetime(2026, 1, 2, tzinfo=UTC),
        amount=Decimal("12.30"),
        topics={"b", "a"},
        member=Member(),
    )
    line = output.line()
    assert line["id"] == str(UUID(int=1))
    assert line["day"] == "2026-01-02"
    assert line["at"] == "2026-01-02 00:00:00+00:00"
    assert line["amount"] == "12.30"
    assert line["topics"] == ["a", "b"]
    assert "Member" in line["member"]


def test_an_exception_is_logged_by_type_and_place_without_its_message(output: Output) -> None:
    log = structlog.stdlib.get_logger("kit")
    try:
        try:
            _raise(KeyError(IBAN))
        except KeyError as error:
            raise ValueError(f"{NAME} has no account {IBAN}") from error
    except ValueError as error:
        log.exception("failed")
        log.warning("failed", error=error)
    first, second = output.lines()
    assert first["exception"] == second["error"]
    assert first["exception"]["type"] == "ValueError"
    assert "message" not in first["exception"]
    assert first["exception"]["where"][-1].startswith("kit/test_logs.py:")
    assert first["exception"]["where"][-1].endswith(
        ":test_an_exception_is_logged_by_type_and_place_without_its_message"
    )
    (because,) = first["exception"]["because_of"]
    assert because["type"] == "KeyError"
    assert because["where"][-1].endswith(":_raise")


def test_all_exceptions_of_a_group_are_named(output: Output) -> None:
    try:
        raise ExceptionGroup(NAME, [ValueError(NAME), TypeError(IBAN)])
    except ExceptionGroup:
        structlog.stdlib.get_logger("kit").exception("failed")
    group = output.line()["exception"]
    assert [each["type"] for each in group["exceptions"]] == ["ValueError", "TypeError"]


def test_what_is_known_to_be_safe_is_written(output: Output) -> None:
    log = structlog.stdlib.get_logger("kit")
    log.error("away", error=ConnectionRefusedError(111, NAME))
    log.error("problem", error=unprocessable("name", f"{NAME} is unknown"))
    away, problem = output.lines()
    assert away["error"]["message"] == "Connection refused"
    assert problem["error"]["message"] == "urn:collection:problem:invalid-request"


def test_a_validation_error_names_fields_and_not_values(output: Output) -> None:
    class Member(BaseModel, extra="forbid"):
        iban: int

    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[Member]).validate_python([{"iban": IBAN, NAME: 1}])
    structlog.stdlib.get_logger("kit").error("invalid", exc_info=caught.value)
    message = output.line()["exception"]["message"]
    assert message == "0.iban: int_parsing; 0: extra_forbidden"


async def test_a_database_error_names_sqlstate_and_constraint(
    output: Output, database: Database
) -> None:
    insert = text("INSERT INTO inbox (source, id) VALUES (:name, :iban)")
    log = structlog.stdlib.get_logger("kit")
    for _ in range(2):
        try:
            async with database.begin() as connection:
                await connection.execute(insert, {"name": NAME, "iban": IBAN})
        except Exception:
            log.exception("insert-failed")
    exception = output.line()["exception"]
    assert exception["sqlstate"] == "23505"
    assert exception["constraint"] == "inbox_pkey"


async def test_a_wrong_sql_parameter_is_not_written(output: Output, database: Database) -> None:
    log = structlog.stdlib.get_logger("kit")
    for statement in ("SELECT CAST(:value AS int)", "SELECT CAST(CAST(:value AS text) AS int)"):
        try:
            async with database.connect() as connection:
                await connection.execute(text(statement), {"value": IBAN})
        except Exception:
            log.exception("select-failed")
    assert len(output.lines()) == 2


def test_texts_of_exceptions_are_taken_out_of_the_lines_of_libraries(output: Output) -> None:
    library = logging.getLogger("library")
    error = ValueError(NAME)
    library.error("Failed: %s", error)
    library.error("Failed: %s (%d)", error, 3)
    library.error(error)
    try:
        _raise(error)
    except ValueError:
        library.exception(f"ValueError: {error} in {error!r}\n  member {NAME}")
    events = [line["event"] for line in output.lines()]
    assert events == [
        "Failed: ValueError",
        "Failed: ValueError (3)",
        "ValueError",
        "ValueError: ValueError in ValueError",
    ]


async def test_an_exception_that_nobody_awaited_is_written_without_its_message(
    output: Output,
) -> None:
    async def fails() -> None:
        raise ValueError(NAME)

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    del task
    line = output.line()
    assert line["event"] == "Task exception was never retrieved"
    assert line["exception"]["type"] == "ValueError"


def test_what_nobody_caught_is_written_in_any_thread(output: Output) -> None:
    thread = threading.Thread(target=_raise, args=(ValueError(NAME),))
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(NAME), None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    first, second = output.lines()
    for line in (first, second):
        assert (line["level"], line["event"]) == ("critical", "uncaught")
        assert line["exception"]["type"] == "ValueError"


def test_warnings_are_lines_too(output: Output) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old option", DeprecationWarning, stacklevel=1)
    logging.captureWarnings(False)
    assert output.line()["logger"] == "py.warnings"


router = APIRouter()


class Member(Body):
    iban: int = 0


@router.post("/v1/members/{name}")
async def add_member(name: str, member: Member) -> None:
    raise ValueError(name)


async def test_a_request_is_one_line_without_path_query_or_values(output: Output) -> None:
    app = build_app("logs", [router], no_lifespan)
    async with client_of(app) as client:
        await client.post(f"/v1/members/{NAME}?iban={IBAN}", json={"iban": IBAN})
        line = output.line()
        await client.post(f"/v1/members/{NAME}", json={})
        failed, answered = output.lines()
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/members/{name}", 422)
    assert failed["event"] == "request-failed"
    assert failed["exception"]["type"] == "ValueError"
    assert failed["correlation_id"] == answered["correlation_id"]
    assert answered["status"] == 500
