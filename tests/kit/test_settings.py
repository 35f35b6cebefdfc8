"""Settings come from the environment, and never show a password."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from kit import clock
from kit.service import Service
from kit.settings import ServiceSettings
from kit.subscriptions import Subscriptions

ENVIRONMENT = {
    "DATABASE_URL": "postgresql+asyncpg://run:geheim@db:5432/run",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "AUTH_ISSUER": "https://issuer.example",
    "AUTH_AUDIENCE": "collection",
    "AUTH_JWKS_URL": "https://issuer.example/jwks.json",
    "HTTP_PORT": "8001",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_are_read_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MIGRATIONS_DATABASE_URL", "postgresql+asyncpg://owner:geheim@db:5432/run")
    settings = ServiceSettings()
    assert settings.http_port == 8001
    assert settings.time_zone == "Europe/Berlin"
    assert "geheim" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://run:geheim@db"),
        ("MIGRATIONS_DATABASE_URL", "postgresql://owner:geheim@db"),
        ("HTTP_PORT", "geheim"),
        ("AUTH_JWKS_URL", "file:///geheim"),
        ("LOG_LEVEL", "geheim"),
        ("TIME_ZONE", "Geheim/Ort"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        ServiceSettings()
    assert name.lower() in str(caught.value)
    assert "geheim" not in str(caught.value).lower()


def test_a_service_that_does_not_start_says_which_variables_are_wrong(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("DATABASE_URL")
    environment.setenv("HTTP_PORT", "geheim")
    environment.setenv("TIME_ZONE", "Geheim/Ort")
    service = Service("test-service", ServiceSettings, [], Subscriptions(), "no_migrations")
    with pytest.raises(SystemExit) as ended:
        service.run(["serve"])
    assert ended.value.code == 2
    *_, said = capsys.readouterr().err.splitlines()
    assert said == (
        "test-service: error: DATABASE_URL: Field required;"
        " HTTP_PORT: Input should be a valid integer, unable to parse string as an integer;"
        " TIME_ZONE: no time zone of this name"
    )


def test_now_is_in_utc_and_today_is_a_day_where_it_is_asked_for() -> None:
    assert clock.now().tzinfo is UTC
    for zone in ("Pacific/Kiritimati", "Pacific/Niue"):  # 25 hours apart
        before = datetime.now(ZoneInfo(zone)).date()
        assert before <= clock.today(zone) <= datetime.now(ZoneInfo(zone)).date()
    assert clock.today("Pacific/Kiritimati") > clock.today("Pacific/Niue")
