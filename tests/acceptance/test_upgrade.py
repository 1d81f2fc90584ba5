"""A data folder and a ledger that an older release wrote go on with this one."""

import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from kaboom.cli.main import run_cli
from kaboom.cli.stack.migrate import migrate
from kaboom.drivers.embedded.postgres_cluster import find_postgres
from kaboom.jobs.postgres.schema import REVISION
from tests.fixtures.accounts.callers import LOGIN
from tests.fixtures.servers.servers import Servers
from tests.fixtures.servers.stacks import Stack, stack

#: A backup by `kaboom backup`; README.md beside it says how it was made.
_OLDER = Path(__file__).parents[1] / "fixtures" / "upgrade" / "f3ce7db3.tar.xz"
_JOB, _BARS = "f54de7e3ea4c4bd5bc9b7765e3a062b7", 1_702
_MINUTES = {"interval": "1m", "start": "2025-11-27T00:00:00+09:00", "end": "2025-11-29T00:00:00+09:00", "limit": 1000}


@pytest.fixture
def older(open_tmp: Path) -> Path:
    """What the older release left: a dump of its ledger, and its bars."""
    folder = open_tmp / "older"
    with tarfile.open(_OLDER) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.fixture
def ledger(servers: Servers, older: Path) -> Iterator[str]:
    """A database with the older release's own tables, as its SQL makes them."""
    name = f"older_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = servers.database_url.replace("/postgres?", f"/{name}?")
    restore = find_postgres() / "pg_restore"
    subprocess.run((restore, "--no-owner", "--exit-on-error", f"--dbname={url}", older / "ledger.dump"), check=True)
    try:
        yield url
    finally:
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def get(up: Stack, path: str, **query: Any) -> Any:
    answer = up.api.http.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def check(up: Stack) -> None:
    """See that all that the older release kept is there, and that it can be used."""
    # The schedule may have made up for a session that it missed.
    (job,) = [one for one in get(up, "/jobs")["items"] if one["job_id"] == _JOB]
    assert (job["job_id"], job["status"], job["progress"]["rows"]) == (_JOB, "completed", _BARS)
    assert sorted(up.api.job(_JOB)["request"]["symbols"]) == ["1301", "6758", "7203"]
    held = get(up, "/bars/7203", **_MINUTES)
    assert len(held["items"]) >= 2 * 300
    assert len(get(up, "/bars/7203", **_MINUTES | {"interval": "1d", "start": "2025-10-01T00:00:00+09:00"})["items"])
    (nightly,) = [one for one in get(up, "/schedules")["items"] if one["name"] == "older nightly"]
    assert (nightly["is_enabled"], nightly["session_at"]) == (True, "16:45")
    (portfolio,) = get(up, "/portfolios")["items"]
    shown = up.kaboom("portfolio", "show", "older", "--json")
    assert (portfolio["name"], shown.code, '"7203"' in shown.out) == ("older", 0, True), shown
    with httpx2.Client(base_url=up.api.url, trust_env=False) as browser:
        login = {"user": "team@example.com", "password": "an-old-password-2025"}
        answer = browser.post(LOGIN, json=login)
        assert answer.status_code == 200, answer.text
    job_id = up.api.submit(intervals={"1m": 3}, symbols=["7203"], session="2025-11-28")
    assert up.api.wait(job_id)["status"] == "completed"
    again = get(up, "/bars/7203", **_MINUTES | {"start": "2025-11-26T00:00:00+09:00"})["items"]
    assert [bar for bar in again if bar["opened_at"] >= held["items"][0]["opened_at"]] == held["items"]
    assert len(again) > len(held["items"])
    assert up.kaboom("bars", "copy", "--from", "pages", "--to", "postgres").code == 0


def test_a_ledger_and_a_folder_of_an_older_release_go_on(older: Path, ledger: str, open_tmp: Path) -> None:
    data = open_tmp / "data"
    data.mkdir(mode=0o755)
    (older / "bars").rename(data / "bars")
    migrate(ledger)
    with psycopg.connect(ledger) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISION,)
    with stack(data, DATABASE_URL=ledger, KABOOM_BAR_STORE="pages") as up:
        check(up)


def test_a_backup_of_an_older_release_is_restored(
    older: Path, open_tmp: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    data = open_tmp / "data"
    assert run_cli(["restore", str(older), "--data-dir", str(data)]) == 0
    assert "1 jobs, 1,702 bars" in " ".join(capsys.readouterr().err.split())
    with stack(data) as up:
        check(up)
