"""Settings come from the environment first, then from what runs on the data folder; a bad one is named."""

from pathlib import Path

import pytest

from kaboom.drivers.embedded.run_file import write_run_file
from kaboom.errors import ConfigurationError
from kaboom.main import create_app
from kaboom.settings import AppSettings, load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a Kaboom running in `.kaboom`."""
    data_dir = tmp_path / ".kaboom"
    data_dir.mkdir()
    (data_dir / "lock").touch()
    write_run_file(data_dir, {"redis_url": "redis://of-the-run/0", "database_url": "postgresql://of-the-run/x"})
    monkeypatch.chdir(tmp_path)
    return data_dir


def test_what_runs_on_the_data_folder_is_found_from_below(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = home.parent / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    settings = load_settings()
    assert settings.require_redis_url() == "redis://of-the-run/0"
    assert settings.require_broker_url() == "redis://of-the-run/0"
    assert settings.data_dir == home.resolve()


def test_the_environment_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://of-the-environment/0")
    settings = load_settings()
    assert settings.require_redis_url() == "redis://of-the-environment/0"
    assert settings.require_database_url() == "postgresql://of-the-run/x"


def test_the_data_folder_of_the_setting_is_read(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(ConfigurationError, match="REDIS_URL is not set and no Kaboom runs here"):
        load_settings().require_redis_url()


def test_a_broker_that_is_no_redis_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://guest:secret@rabbit//")
    with pytest.raises(ConfigurationError, match="amqp://…, expected redis://") as raised:
        load_settings().require_broker_url()
    assert "secret" not in raised.value.message


def test_a_bad_value_is_reported_by_its_name_and_not_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_SLOTS", "many-secrets")
    with pytest.raises(ConfigurationError, match="KABOOM_SLOTS: Input should be a valid integer") as raised:
        load_settings()
    assert "many-secrets" not in raised.value.message


@pytest.mark.parametrize("origin", ["https://kaboom.example.com", "http://127.0.0.1:8000/", "https://[::1]:8443"])
def test_links_begin_with_an_origin(home: Path, monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("KABOOM_PUBLIC_URL", origin)
    assert load_settings().public_url == origin


@pytest.mark.parametrize(
    "text",
    [
        "https://a](http:",
        "https://a|b>",
        "https://a<b>",
        "https://a\u202eb",
        "https://a\x1b[1m",
        "https://u@a",
        "https://a/b",
    ],
)
def test_links_begin_with_nothing_that_a_chat_reads_otherwise(
    home: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("KABOOM_PUBLIC_URL", text)
    with pytest.raises(ConfigurationError, match="KABOOM_PUBLIC_URL"):
        load_settings()


def test_secrets_are_not_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", "hush")
    assert "hush" not in repr(load_settings())
    assert "of-the-run" not in repr(load_settings())


def test_an_api_that_anybody_may_use_does_not_start(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="INGEST_API_TOKEN is not set"):
        create_app(load_settings())


@pytest.mark.parametrize(
    ("values", "store"),
    [
        ({}, "pages"),
        ({"database_url": "postgresql://h/d"}, "postgres"),
        ({"database_url": "postgresql://h/d", "influxdb_host": "http://h"}, "influxdb"),
        ({"influxdb_host": "http://h"}, "influxdb"),
        ({"database_url": "postgresql://h/d", "bar_store": "pages"}, "pages"),
        ({"influxdb_host": "http://h", "bar_store": "postgres"}, "postgres"),
        ({"bar_store": "influx"}, "influxdb"),
    ],
)
def test_bars_are_in_the_store_that_the_settings_name(tmp_path: Path, values: dict[str, str], store: str) -> None:
    settings = load_settings(data_dir=tmp_path, **values)
    assert _kept_in(settings) == [store]


def test_bars_of_a_kaboom_that_runs_here_are_where_it_keeps_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _kept_in(load_settings()) == ["postgres"]
    write_run_file(home, {"database_url": "postgresql://of-the-run/x", "bars_dir": str(home / "bars")})
    assert _kept_in(load_settings()) == ["pages"]
    monkeypatch.setenv("DATABASE_URL", "postgresql://of-the-environment/x")
    assert _kept_in(load_settings()) == ["postgres"]


def test_bars_that_a_default_leaves_in_the_folder_are_found(tmp_path: Path) -> None:
    server = {"data_dir": tmp_path, "database_url": "postgresql://h/d"}
    assert load_settings(**server).find_left_bars() is None
    (tmp_path / "bars/synthetic/1d").mkdir(parents=True)
    (tmp_path / "bars/synthetic/1d/all.sqlite").touch()
    assert load_settings(**server).find_left_bars() == tmp_path / "bars"
    assert load_settings(data_dir=tmp_path).find_left_bars() is None
    assert load_settings(**server, bar_store="postgres").find_left_bars() is None


def _kept_in(settings: AppSettings) -> list[str]:
    kept = {
        "pages": settings.keeps_bars_in_folder,
        "postgres": settings.keeps_bars_in_postgres,
        "influxdb": settings.keeps_bars_in_influxdb,
    }
    return [name for name, is_kept in kept.items() if is_kept]
