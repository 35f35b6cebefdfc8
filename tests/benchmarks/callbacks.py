"""Callbacks at 500 a second: each is stored, answered in time, and reported once (R51).

`python -m pytest -s tests/benchmarks/callbacks.py`. CALLBACK_RATES: other rates to be measured, a
second, separated by commas; only that of 500 has limits.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.benchmarks.measuring import Figure, percentile
from tests.benchmarks.service_process import ServiceProcess, partner_gateway, set_up_partner

from contracts import TOPICS, ReportPaymentReceivedV1
from local_stack.http_client import until

RATE = 500
SECONDS = 10
CASES = 1000
LIMIT_MILLISECONDS = 50.0
RATES = [int(rate) for rate in os.environ.get("CALLBACK_RATES", str(RATE)).split(",")]

_HOLD = """
    WITH delivery AS (
        INSERT INTO deliveries (request_id, tenant_id, partner_id, kind, status, tries,
                                next_try_at, created_at, finished_at, correlation_id)
        VALUES ($1, $2, $3, 'HANDOVER', 'DONE', 1, now(), now(), now(), 'benchmark')
        RETURNING request_id
    )
    INSERT INTO cases (tenant_id, case_id, partner_id, run_id, member_id, request_id,
                       correlation_id)
    SELECT $2, uuidv7(), $3, $4, uuidv7(), request_id, 'benchmark'
    FROM delivery, generate_series(1, $5)
    RETURNING case_id
"""


@pytest.mark.timeout(900)
def test_callbacks_at_a_rate(tmp_path: Path) -> None:
    with partner_gateway(tmp_path) as gateway:
        gateway.program.start()
        partner_id, secret = set_up_partner(gateway)
        held = gateway.rows(_HOLD, uuid4(), gateway.tenant_id, partner_id, uuid4(), CASES)
        order = {
            "url": f"{gateway.program.url}/v1/partners/{partner_id}/callbacks",
            "secret": secret,
            "case_ids": [str(row["case_id"]) for row in held],
        }
        send({**order, "rate": 100, "seconds": 2})  # warm
        sent, figures = 200, []
        for rate in RATES:
            came = send({**order, "rate": rate, "seconds": SECONDS})
            sent += rate * SECONDS
            assert came["statuses"] == {"202": rate * SECONDS}
            figures += figures_of(rate, came["seconds"])
        print()  # noqa: T201
        for figure in figures:
            print(figure)  # noqa: T201
        check_all_acted(gateway, sent)
    assert not any(figure.is_too_much for figure in figures)


def send(order: dict[str, Any]) -> Any:
    """Let another process send callbacks; return what came of it."""
    sender = Path(__file__).with_name("callback_sender.py")
    done = subprocess.run(
        [sys.executable, str(sender)],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def figures_of(rate: int, seconds: list[float]) -> list[Figure]:
    """Return how long the answers took."""
    return [
        Figure(
            f"callbacks at {rate}/s, p{share}",
            percentile(seconds, share) * 1000,
            "ms",
            LIMIT_MILLISECONDS if (rate, share) == (RATE, 99) else None,
        )
        for share in (50, 95, 99)
    ]


def check_all_acted(gateway: ServiceProcess, sent: int) -> None:
    """Check that each callback is there, has acted, and became one report."""
    states = "SELECT status, count(*) FROM callbacks GROUP BY status"
    until(
        lambda: dict(gateway.rows(states)),
        lambda found: found == {"TRANSLATED": sent},
        limit=120,
        what="all callbacks translated",
    )
    until(
        lambda: dict(gateway.rows("SELECT 'waiting', count(*) FROM outbox")),
        lambda found: found == {"waiting": 0},
        limit=60,
        what="all reports published",
    )
    assert sorted(reports(gateway)) == sorted(
        str(row["callback_id"]) for row in gateway.rows("SELECT callback_id FROM callbacks")
    )


def reports(gateway: ServiceProcess) -> list[str]:
    """Return the ids of all reports in Kafka."""
    topic = ReportPaymentReceivedV1.TOPIC
    consumer = Consumer(
        {"bootstrap.servers": gateway.kafka.bootstrap_servers, "group.id": "benchmark"}
    )
    places = [TopicPartition(topic, number, 0) for number in range(TOPICS[topic].partitions)]
    left = sum(consumer.get_watermark_offsets(place)[1] for place in places)
    consumer.assign(places)
    found = []
    while left > 0 and (messages := consumer.consume(1000, timeout=10)):
        left -= len(messages)
        found += [json.loads(message.value() or b"")["report_id"] for message in messages]
    consumer.close()
    return found
