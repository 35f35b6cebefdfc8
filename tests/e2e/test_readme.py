"""What README.md tells other teams is true."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.settings import ServiceSettings
from local_stack.places import PROJECT
from local_stack.stack import SERVICES, Stack
from tests.e2e.story import Tenant

README = (PROJECT / "README.md").read_text("utf-8")
MEMBERS = 150


def test_the_subscriber_in_the_readme_reads_each_case_from_the_start(
    stack: Stack, make_tenant: Callable[[int], Tenant], tmp_path: Path
) -> None:
    """R60."""
    tenant = make_tenant(MEMBERS)
    tenant.publish_members()
    run_id = tenant.start_run(tenant.partner_by_hand())
    tenant.await_run(run_id, "HANDED_OVER")
    expected = sorted(
        f"case.opened.v1 {case['case_id']} of tenant {tenant.tenant_id}"
        for case in tenant.all_cases(run_id)
    )
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    output = tmp_path / "output"

    def printed() -> dict[str, list[str]]:
        lines = output.read_text("utf-8").splitlines()
        return {"lines": sorted(line for line in lines if str(tenant.tenant_id) in line)}

    with output.open("wb") as file:
        subscriber = subprocess.Popen(
            [sys.executable, "-c", program],
            env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": stack.kafka.bootstrap_servers},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        tenant.wait_for(printed, lambda answer: answer["lines"] == expected, "each case once")
    finally:
        subscriber.kill()
        subscriber.wait()


@pytest.mark.parametrize("service", SERVICES)
def test_the_readme_lists_each_setting_with_its_default(service: str) -> None:
    settings: type[ServiceSettings] = importlib.import_module(
        f"{service.replace('-', '_')}.settings"
    ).Settings
    for name, field in settings.model_fields.items():
        (row,) = re.findall(rf"^\| `{name.upper()}` \|.*$", README, re.MULTILINE)
        assert ("| required |" in row) == field.is_required()
        assert field.is_required() or _as_written(field.default) in row


def _as_written(default: object) -> str:
    """Return a default as one would write it in the environment, in the form of the table."""
    if isinstance(default, tuple | frozenset):
        default = ",".join(str(each) for each in default)
    return f"`{default}`" if default else "| none |"
