"""A service as a process: how it stops."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from kit.database import upgrade
from local_stack.http_client import ServiceClient
from local_stack.ports import free_port
from local_stack.processes import LocalStackError, wait_until
from tests.kit.conftest import PLUMBING_MIGRATION, Migrations

PROGRAM = """
import sys

from kit.service import Service
from kit.settings import ServiceSettings
from tests.kit.deliveries import subscriptions

service = Service("stopping-service", ServiceSettings, [], subscriptions, sys.argv[1])
sys.exit(service.run(["serve"]))
"""


def test_who_is_asked_to_stop_ends_as_a_program_that_did_its_work(
    bare_database_url: str, kafka: str, migrations: Migrations
) -> None:
    """Else each deployment would look like a crash."""
    package = migrations.package("stopping_migrations", v0001=PLUMBING_MIGRATION)
    upgrade(bare_database_url, package)
    port = free_port()
    process = start(package, migrations.folder, port, bare_database_url, kafka)
    try:
        wait_until(lambda: is_ready(port), limit=60, what="the service")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def start(
    package: str, folder: Path, port: int, database_url: str, kafka: str
) -> "subprocess.Popen[bytes]":
    """Start a service of its own."""
    settings = {
        "PYTHONPATH": os.pathsep.join((str(folder), *sys.path)),
        "HTTP_PORT": str(port),
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "AUTH_ISSUER": "https://issuer.example",
        "AUTH_AUDIENCE": "collection",
        "AUTH_JWKS_URL": "https://issuer.example/jwks",
    }
    return subprocess.Popen([sys.executable, "-c", PROGRAM, package], env=os.environ | settings)


def is_ready(port: int) -> bool:
    """Tell whether the service works."""
    client = ServiceClient(f"http://127.0.0.1:{port}")
    try:
        client.get("/health/ready")
    except LocalStackError:
        return False
    finally:
        client.close()
    return True
