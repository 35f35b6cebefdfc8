"""Correlation and trace context."""

from dataclasses import FrozenInstanceError
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.trace import (
    Cause,
    carried,
    current_correlation_id,
    current_ids,
    current_traceparent,
    new_traceparent,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NEW = r"00-[0-9a-f]{32}-[0-9a-f]{16}-01"


def test_a_new_span_stays_in_the_trace_of_its_parent() -> None:
    version, trace_id, span_id, flags = new_traceparent(PARENT).split("-")
    assert (version, trace_id, flags) == ("00", "0af7651916cd43dd8448eb211c80319c", "01")
    assert span_id != "b7ad6b7169203331"


def test_what_was_not_sampled_stays_so_and_unknown_flags_are_not_passed_on() -> None:
    assert new_traceparent(PARENT[:-2] + "00").endswith("-00")
    assert new_traceparent(PARENT[:-2] + "ff").endswith("-01")


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    later = "cc" + PARENT[2:] + "-what-the-future-will-be-like"
    assert new_traceparent(later).split("-")[:2] == ["00", "0af7651916cd43dd8448eb211c80319c"]


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "nonsense",
        PARENT.upper(),
        PARENT + "-more",
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        PARENT + "\n",
    ],
)
def test_what_is_no_traceparent_starts_a_new_trace(parent: str | None) -> None:
    made = new_traceparent(parent)
    assert made.split("-")[1] != "0af7651916cd43dd8448eb211c80319c"
    assert new_traceparent(made).split("-")[1] == made.split("-")[1]


@given(st.text())
def test_any_text_gives_a_valid_traceparent(parent: str) -> None:
    made = new_traceparent(parent)
    assert new_traceparent(made).split("-")[1] == made.split("-")[1]


def test_ids_are_carried_inside_the_block_only() -> None:
    assert current_ids() == {}
    with carried("request-1", PARENT):
        assert current_correlation_id() == "request-1"
        assert current_traceparent() == PARENT
        with carried("request-2", None):
            assert current_ids() == {"correlation_id": "request-2"}
        assert current_ids() == {
            "correlation_id": "request-1",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
        }
    assert current_traceparent() is None
    assert current_correlation_id() != current_correlation_id()


def test_a_cause_does_not_change() -> None:
    cause = Cause(uuid4(), "request-1", None)
    with pytest.raises(FrozenInstanceError):
        cause.correlation_id = "other"  # type: ignore[misc]
