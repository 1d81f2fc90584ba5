"""Bars in the ledger are in its backup, counted, and agree with the jobs that claim them after a restore."""

import asyncio
from pathlib import Path

import orjson
import psycopg
import pytest

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.cli.backup.manifest import read_manifest, started_postgres
from kaboom.cli.main import run_cli
from kaboom.cli.stack.migrate import migrate
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day

_CLAIM = """
INSERT INTO jobs (job_id, queue, task, owner, status, request, attempt)
VALUES (%s, 'ingest', 'ingest.run_daily', 'ingest', 'completed', '{}', 0)
"""


async def write_and_claim(url: str, days: int) -> None:
    """Write days of minutes, each followed by a job that claims it, as a worker does it."""
    store = PostgresBarStore(BlockingDatabase(url, application_name="test"))
    with psycopg.connect(url, autocommit=True) as connection:
        for day in range(days):
            await store.write(MINUTES, full_day(["1301", "7203"], JUNE_2.replace(day=2 + day)))
            connection.execute(_CLAIM, (f"{day:032x}",))
    await store.write(DAILY, frame(bar("7203", at(JUNE_2))))
    await store.close()


async def count_days(url: str) -> tuple[int, int]:
    """Return how many days are claimed, and how many are held whole."""
    store = PostgresBarStore(BlockingDatabase(url, application_name="test"))
    held = await store.coverage(MINUTES, first=JUNE_2, last=JUNE_2.replace(day=30))
    assert (await store.verify()).faults == ()
    await store.close()
    with psycopg.connect(url) as connection:
        claimed = connection.execute("SELECT count(*) FROM jobs").fetchall()[0][0]
    assert held["bars"].to_list() == [327] * held.height
    return claimed, held["session"].n_unique()


def test_a_backup_holds_the_bars_of_every_job(
    open_tmp: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"KABOOM_LANG": "en", "KABOOM_DATA_DIR": "", "KABOOM_BAR_STORE": "postgres"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    data, made, new = open_tmp / "data", open_tmp / "made", open_tmp / "new"
    data.mkdir(mode=0o755)
    (data / "lock").touch()
    with started_postgres(data, open_tmp / "postgres.log") as url:
        migrate(url)
        asyncio.run(write_and_claim(url, 8))
    assert run_cli(["backup", str(made), "--data-dir", str(data), "--json"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert told["bars"] == read_manifest(made).bars == 8 * 2 * 327 + 1
    assert [sentence.partition(":")[0] for sentence in told["lacks"]] == ["not in any backup"]
    assert run_cli(["restore", str(made), "--data-dir", str(new)]) == 0
    assert "8 jobs, 5,233 bars" in " ".join(capsys.readouterr().err.split())
    with started_postgres(new, open_tmp / "postgres.log") as url:
        assert run(count_days(url)) == (8, 8)
