"""Logs: one JSON object a line on standard output, for our own lines and those of libraries.

Personal data stays out by construction: an exception is logged by its type and where it was
raised. Its message is not, because those of pydantic, asyncpg and SQLAlchemy repeat values; only
what is known to be safe is: the text of an operating system's error, SQLSTATE and constraint, the
fields that pydantic names, and `safe_message` of our own errors.
"""

import datetime
import decimal
import errno
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import Any, Final
from uuid import UUID

import pydantic
import structlog
from sqlalchemy.exc import DBAPIError

from kit.clock import now
from kit.database import sqlstate
from kit.repeated_lines import RepeatedLines
from kit.trace import current_ids

_MAX_FRAMES: Final = 20
_MAX_CHAIN: Final = 5
_PLAIN: Final = (UUID, datetime.date, datetime.time, decimal.Decimal, os.PathLike)
_LIBRARIES: Final = ("httpx", "httpcore", "aiokafka", "alembic", "asyncio", "sqlalchemy")
"""Libraries whose lines below WARNING say little, or repeat addresses, rows and messages."""

EventDict = MutableMapping[str, Any]


def configure(service: str, level: str = "INFO") -> None:
    """Send all logging of this process to standard output as JSON, in the name of `service`.

    Also what nobody caught, in the main thread or another, is logged, not printed.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_make_safe)
    handler.addFilter(RepeatedLines())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                structlog.stdlib.ExtraAdder(["left_out"]),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _describe_exc_info,
                _Context(service),
                structlog.processors.JSONRenderer(_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "faststream"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = name != "uvicorn.access"  # the kit writes a line for each request
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda thrown: _log_uncaught(
        thrown.exc_type, thrown.exc_value, thrown.exc_traceback
    )


def describe(error: BaseException) -> dict[str, Any]:
    """Return what may be logged of an exception and of those behind it."""
    chain = [_describe_one(each) for each in _chain(error)]
    described = chain[0]
    if len(chain) > 1:
        described["because_of"] = chain[1:]
    if isinstance(error, BaseExceptionGroup):
        described["exceptions"] = [describe(each) for each in error.exceptions[:_MAX_CHAIN]]
    return described


class _Context:
    """Adds when it was, which service, and which request it belongs to."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        return {
            "time": now().isoformat(timespec="milliseconds"),
            "level": event.pop("level", None),
            "service": self._service,
            "logger": event.pop("logger", None),
            "event": event.pop("event", None),
            **current_ids(),
            **event,
        }


def _make_safe(record: logging.LogRecord) -> bool:
    """Take the texts of exceptions out of a line that a library wrote."""
    if isinstance(record.msg, dict):  # one of ours: structlog's event on its way to be rendered
        return True
    if isinstance(record.msg, BaseException):
        record.msg = _name(record.msg)
    if isinstance(record.args, tuple):
        record.args = tuple(
            _name(argument) if isinstance(argument, BaseException) else argument
            for argument in record.args
        )
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        first_line = record.getMessage().strip().partition("\n")[0]
        for each in _chain(error):
            for text in filter(None, (repr(each), str(each))):
                first_line = first_line.replace(text, _name(each))
        record.msg, record.args = first_line, None
    return True


def _describe_exc_info(_logger: object, _method: str, event: EventDict) -> EventDict:
    event.pop("stack_info", None)
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["exception"] = describe(error)
    return event


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from or during, the outermost first."""
    current: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if current is None:
            return
        yield current
        hidden = current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)


def _describe_one(error: BaseException) -> dict[str, Any]:
    described: dict[str, Any] = {"type": _name(error)}
    if message := _safe_message(error):
        described["message"] = message
    if state := sqlstate(error):
        described["sqlstate"] = state
    if constraint := _constraint(error):
        described["constraint"] = constraint
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    described["where"] = [
        f"{_short(frame.filename)}:{frame.lineno}:{frame.name}" for frame in frames
    ]
    return described


def _safe_message(error: BaseException) -> str | None:
    own = getattr(error, "safe_message", None)
    if isinstance(own, str):
        return own
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    if isinstance(error, pydantic.ValidationError):
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(_field_and_kind(entry["loc"], entry["type"]) for entry in wrong[:10])
    return None


def _field_and_kind(location: tuple[int | str, ...], kind: str) -> str:
    """Return `claims.0.amount: missing`; the name of an unknown field is its sender's, not ours."""
    if kind == "extra_forbidden":
        location = location[:-1]
    return f"{'.'.join(str(part) for part in location)}: {kind}"


def _constraint(error: BaseException) -> str | None:
    source = getattr(error.orig, "__cause__", None) if isinstance(error, DBAPIError) else error
    name = getattr(source, "constraint_name", None)
    return name if isinstance(name, str) else None


def _name(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _short(path: str) -> str:
    """Return the file with its folder, which is the package."""
    return "/".join(path.split(os.sep)[-2:])


def _to_json(event: EventDict, **_options: object) -> str:
    return json.dumps(event, default=_to_plain, ensure_ascii=False)


def _to_plain(value: object) -> Any:
    """Return what stands for a value that JSON has no form for; never the `repr` of an object."""
    if isinstance(value, BaseException):
        return describe(value)
    if isinstance(value, _PLAIN):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return f"<{type(value).__qualname__}>"


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    exc_info = (kind, error, trace) if error is not None else None
    logging.getLogger("kit").critical("uncaught", exc_info=exc_info)
