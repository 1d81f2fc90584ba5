"""Secret Manager gives what the environment does not, in bounded time, and what goes wrong is told without a value."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kaboom.cli.exits import Exit
from kaboom.cli.main import run_cli
from kaboom.drivers import google_secrets as kit
from kaboom.drivers.embedded.run_file import write_run_file
from kaboom.drivers.embedded.servers import free_port
from kaboom.errors import ConfigurationError
from kaboom.main import create_app
from kaboom.settings import AppSettings, load_settings, secret_name, secret_variables
from tests.fixtures.servers.fake_google_secrets import FakeSecretManager, connect_to, secret_manager
from tests.fixtures.servers.stacks import clean_environment

TOKEN = "a-token-of-secret-manager"
VALUES: dict[str, str | bytes] = {
    "redis-url": "rediss://:s3cret@10.0.0.3:6378/0",
    "database-url": "postgresql://kaboom:s3cret@10.0.0.4/kaboom",
    "ingest-api-token": TOKEN,
    "influxdb-bucket-agg-5m": "five",
}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeSecretManager]:
    """A Secret Manager with a few secrets, which the settings are told of; nothing runs here."""
    for variable in secret_variables():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KABOOM_SECRET_PROJECT", "kaboom-tests")
    kit.fetch_secrets.cache_clear()
    with secret_manager() as fake:
        fake.secrets |= VALUES
        monkeypatch.setattr(kit, "connect", fake.connect)
        yield fake
    kit.fetch_secrets.cache_clear()


def read(settings: AppSettings, field: str) -> Any:
    value = getattr(settings, field)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def test_what_is_there_is_taken_and_what_is_not_keeps_its_default(fake: FakeSecretManager) -> None:
    settings = load_settings()
    assert settings.require_redis_url() == VALUES["redis-url"]
    assert settings.require_database_url() == VALUES["database-url"]
    assert read(settings, "ingest_api_token") == TOKEN
    assert (settings.influxdb_bucket_agg_5m, settings.influxdb_bucket_agg_1d) == ("five", "agg_1d")
    assert (settings.webhook_secret, settings.celery_broker_url) == (None, None)
    assert create_app(settings).title == "Kaboom"


def test_each_secret_is_requested_once_in_its_newest_version(
    fake: FakeSecretManager,
) -> None:
    load_settings()
    load_settings()
    names = {secret_name(variable) for variable in secret_variables()}
    assert sorted(fake.asked) == sorted(f"projects/kaboom-tests/secrets/{name}/versions/latest" for name in names)


def test_the_environment_wins_and_what_it_names_is_not_asked_for(
    fake: FakeSecretManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://of-the-environment/0")
    # Empty: there is none.
    monkeypatch.setenv("DATABASE_URL", "")
    settings = load_settings(ingest_api_token="of-an-argument")
    assert settings.require_redis_url() == "redis://of-the-environment/0"
    assert settings.database_url is None
    assert read(settings, "ingest_api_token") == "of-an-argument"
    assert not {"redis-url", "database-url", "ingest-api-token"} & fake.names()


def test_where_the_environment_names_all_nobody_is_asked(
    fake: FakeSecretManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "connect", lambda: pytest.fail("there was nothing to ask for"))
    for variable in secret_variables():
        monkeypatch.setenv(variable, "")
    assert load_settings().redis_url is None


def test_it_wins_over_what_runs_here(fake: FakeSecretManager, tmp_path: Path) -> None:
    del fake.secrets["database-url"]
    (tmp_path / ".kaboom").mkdir()
    (tmp_path / ".kaboom/lock").touch()
    write_run_file(tmp_path / ".kaboom", {"redis_url": "redis://of-the-run/0", "database_url": "postgresql://run/x"})
    settings = load_settings()
    assert settings.require_redis_url() == VALUES["redis-url"]
    assert settings.require_database_url() == "postgresql://run/x"


def test_a_prefix_parts_staging_from_production(fake: FakeSecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.secrets["staging-redis-url"] = "redis://of-staging/0"
    monkeypatch.setenv("KABOOM_SECRET_PREFIX", "staging-")
    settings = load_settings()
    assert settings.require_redis_url() == "redis://of-staging/0"
    assert settings.database_url is None
    assert all(name.startswith("staging-") for name in fake.names())


def test_without_a_project_nothing_is_asked(fake: FakeSecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KABOOM_SECRET_PROJECT")
    assert load_settings().redis_url is None
    assert fake.asked == []


def test_a_trailing_newline_is_stripped(fake: FakeSecretManager) -> None:
    fake.secrets["redis-url"] = "redis://h/0\n"
    assert load_settings().require_redis_url() == "redis://h/0"


def test_who_is_busy_is_asked_again(fake: FakeSecretManager) -> None:
    fake.faults["redis-url"], fake.times["redis-url"] = grpc.StatusCode.UNAVAILABLE, 2
    assert load_settings().require_redis_url() == VALUES["redis-url"]
    assert len([path for path in fake.asked if "/redis-url/" in path]) == 3


FAULTS = {
    grpc.StatusCode.PERMISSION_DENIED: "may not be read, or does not exist: grant roles/secretmanager.secretAccessor",
    grpc.StatusCode.FAILED_PRECONDITION: "newest version is disabled or destroyed",
    grpc.StatusCode.UNAVAILABLE: "could not be read within 0.5 s: ServiceUnavailable",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "could not be read within 0.5 s: ResourceExhausted",
    grpc.StatusCode.UNAUTHENTICATED: "could not be read within 0.5 s: Unauthenticated",
    grpc.StatusCode.INVALID_ARGUMENT: "could not be read within 0.5 s: InvalidArgument",
    grpc.StatusCode.INTERNAL: "could not be read within 0.5 s: InternalServerError",
}


@pytest.mark.parametrize("code", FAULTS, ids=lambda code: code.name)
def test_a_fault_is_reported_with_secret_and_project(
    fake: FakeSecretManager, monkeypatch: pytest.MonkeyPatch, code: grpc.StatusCode
) -> None:
    monkeypatch.setattr(kit, "_PATIENCE_S", 0.5)
    fake.faults["database-url"] = code
    refuse(f"secret database-url of project kaboom-tests.*{FAULTS[code]}")


def refuse(reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as raised:
        load_settings()
    assert not [value for value in ("s3cret", TOKEN) if value in raised.value.message]


def test_who_does_not_answer_is_not_waited_for(fake: FakeSecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "_PATIENCE_S", 0.5)
    fake.slow.update(VALUES)
    since = time.monotonic()
    refuse("secret .* of project kaboom-tests could not be read within 0.5 s: DeadlineExceeded")
    # All at once, and not one after another: the bound is far, as the machine is shared.
    assert time.monotonic() - since < 10


def test_nobody_there_is_reported(fake: FakeSecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(kit, "connect", lambda: connect_to(free_port()))
    refuse("of project kaboom-tests could not be read within 0.5 s: ServiceUnavailable")


def test_bytes_that_are_no_text_are_reported(fake: FakeSecretManager) -> None:
    fake.secrets["redis-url"] = b"\xff\xfe s3cret"
    refuse("secret redis-url of project kaboom-tests was not UTF-8 text")


def test_no_credentials_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing.json"))
    monkeypatch.setenv("KABOOM_SECRET_PROJECT", "kaboom-tests-without-credentials")
    refuse("Secret Manager: Google gave no credentials")


def test_a_fault_may_pass(fake: FakeSecretManager) -> None:
    fake.faults["redis-url"] = grpc.StatusCode.PERMISSION_DENIED
    refuse("redis-url")
    fake.faults.clear()
    assert load_settings().require_redis_url() == VALUES["redis-url"]


def test_a_missing_extra_is_named(fake: FakeSecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kaboom.drivers.google_secrets", None)
    refuse(r"KABOOM_SECRET_PROJECT is set, and the extra \[gcp\] is not installed")


def test_a_command_ends_with_2_and_shows_no_secret(fake: FakeSecretManager, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["config", "show"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "s3cret" not in shown
    assert "five" in shown
    kit.fetch_secrets.cache_clear()
    fake.faults["redis-url"] = grpc.StatusCode.PERMISSION_DENIED
    assert run_cli(["config", "show"]) == Exit.USAGE
    assert "secret redis-url of project kaboom-tests may not be read" in capsys.readouterr().err


def test_googles_client_loads_for_nobody_else() -> None:
    program = "import sys, kaboom.main, kaboom.cli.main, kaboom.settings as s; s.load_settings(); print(*sys.modules)"
    argv = [sys.executable, "-c", program]
    env = clean_environment()
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert not [name for name in done.stdout.split() if name.split(".")[0] in {"google", "grpc"}]
    assert "kaboom.settings" in done.stdout
