"""The envelope: CloudEvents 1.0 attributes as Kafka headers."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import Envelope, EnvelopeError

Headers = list[tuple[str, bytes | None]]

ENVELOPE = Envelope(
    id="0190163d-8694-739b-aea5-966c26f8ad91",
    source="/case-service",
    type="case.opened.v1",
    time=datetime(2026, 3, 2, 8, 15, 0, 125000, tzinfo=UTC),
    subject="0190163d-8694-7001-8002-966c26f8ad91",
    tenant_id=UUID("0190163d-8694-7003-8004-966c26f8ad91"),
    correlation_id="request-ü",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
REQUIRED = [
    name for name, _ in ENVELOPE.to_headers() if name not in ("content-type", "ce_traceparent")
]

REASONS = [
    "null",
    "not UTF-8",
    "not 1.0",
    "not application/json",
    "not a URI reference",
    "not a text of 1 to 255 printable characters",
    "not a UUID",
    "not an RFC 3339 time",
]


def headers_with(name: str, *values: bytes | None) -> Headers:
    """The headers of ENVELOPE, with these values for one of them."""
    others: Headers = [header for header in ENVELOPE.to_headers() if header[0] != name]
    return others + [(name, value) for value in values]


texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=255)
envelopes = st.builds(
    Envelope,
    id=texts,
    source=st.from_regex(r"[!-~]{1,255}", fullmatch=True),
    type=texts,
    time=st.datetimes(timezones=st.just(UTC)),
    subject=texts,
    tenant_id=st.uuids(),
    correlation_id=texts,
    traceparent=st.none() | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", fullmatch=True),
)


@given(envelopes)
def test_an_envelope_comes_back_from_its_headers(envelope: Envelope) -> None:
    assert Envelope.from_headers(envelope.to_headers()) == envelope


@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from([*REQUIRED, "ce_traceparent", "content-type"]), st.text()),
            st.one_of(st.none(), st.binary(), st.text().map(str.encode)),
        )
    )
)
def test_arbitrary_headers_are_refused_by_no_other_error(headers: Headers) -> None:
    with pytest.raises(EnvelopeError):
        Envelope.from_headers(headers)


@given(
    st.sampled_from([*REQUIRED, "ce_traceparent", "content-type"]),
    st.one_of(st.none(), st.binary(), st.text().map(str.encode)),
)
def test_one_arbitrary_header_is_taken_or_refused_by_its_name_only(
    name: str, value: bytes | None
) -> None:
    try:
        Envelope.from_headers(headers_with(name, value))
        refusal = None
    except EnvelopeError as error:
        refusal = str(error)
    assert refusal in [None, *(f"{name} is {reason}" for reason in REASONS)]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_header_must_be_there_once(name: str) -> None:
    with pytest.raises(EnvelopeError, match=f"^{name} is missing$"):
        Envelope.from_headers(headers_with(name))
    with pytest.raises(EnvelopeError, match=f"^{name} is repeated$"):
        Envelope.from_headers(headers_with(name, b"a", b"a"))
    with pytest.raises(EnvelopeError, match=f"^{name} is null$"):
        Envelope.from_headers(headers_with(name, None))
    with pytest.raises(EnvelopeError, match=f"^{name} is not UTF-8$"):
        Envelope.from_headers(headers_with(name, b"\xff"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_id", b""),
        ("ce_id", b"a\x00b"),
        ("ce_correlationid", b"a\nb"),
        ("ce_subject", b"x" * 256),
        ("ce_source", b"/case service"),
        ("ce_tenantid", b"0190163d869470038004966c26f8ad91"),
        ("ce_tenantid", b"{0190163d-8694-7003-8004-966c26f8ad}"),
        ("ce_tenantid", "٠190163d-8694-7003-8004-966c26f8ad91".encode()),
        ("ce_time", b"2026-03-02"),
        ("ce_time", b"2026-03-02T08:15:00"),
        ("ce_time", b"2026-02-30T08:15:00Z"),
        ("ce_time", b"0001-01-01T00:00:00+14:00"),
        ("ce_time", b"1772439300"),
        ("content-type", b"application/cloudevents+json"),
        ("content-type", b"text/plain"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_header(name: str, value: bytes) -> None:
    with pytest.raises(EnvelopeError, match=f"^{name} is not"):
        Envelope.from_headers(headers_with(name, value))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("content-type", []),
        ("content-type", [b"Application/JSON; charset=utf-8"]),
        ("ce_somethingelse", [b"\xff", None]),
        ("kafka-client", [None, None]),
    ],
)
def test_what_does_not_matter_is_passed_over(name: str, values: list[bytes | None]) -> None:
    assert Envelope.from_headers(headers_with(name, *values)) == ENVELOPE


@pytest.mark.parametrize("value", [b"", b"00-abc", b"00-" + b"G" * 32 + b"-00f067aa0ba902b7-01"])
def test_a_malformed_trace_context_never_stops_a_message(value: bytes) -> None:
    assert Envelope.from_headers(headers_with("ce_traceparent", value)).traceparent is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"2026-03-02T09:15:00+01:00", datetime(2026, 3, 2, 8, 15, tzinfo=UTC)),
        (b"2026-03-02T08:15:00.123456789Z", datetime(2026, 3, 2, 8, 15, 0, 123456, tzinfo=UTC)),
    ],
)
def test_times_of_other_writers_are_taken_as_utc(value: bytes, expected: datetime) -> None:
    envelope = Envelope.from_headers(headers_with("ce_time", value))
    assert envelope.time == expected
    assert envelope.time.tzinfo is UTC


def test_a_time_in_another_zone_is_written_as_utc() -> None:
    time = datetime(2026, 3, 2, 9, 15, tzinfo=timezone(timedelta(hours=1)))
    envelope = Envelope("1", "/x", "t", time, "s", UUID(int=1), "c", None)
    assert ("ce_time", b"2026-03-02T08:15:00Z") in envelope.to_headers()
