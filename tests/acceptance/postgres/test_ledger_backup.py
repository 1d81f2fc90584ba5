"""The ledger of a Kaboom that does not run, backed up and restored: each row, and the schema of this release."""

import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kaboom.cli.backup.manifest import read_manifest, started_postgres
from kaboom.cli.main import run_cli
from kaboom.cli.stack.data_folder import find_workers_on
from kaboom.cli.stack.migrate import BASELINE, check_schema, migrate
from kaboom.drivers.embedded.postgres_cluster import find_postgres
from kaboom.drivers.postgres.dump import dump_database
from kaboom.errors import StoreError
from tests.fixtures.servers.stacks import KABOOM, clean_environment, until

JOB = "0123456789abcdef0123456789abcdef"
INSERT = """
INSERT INTO jobs (job_id, queue, task, owner, status, request, attempt)
VALUES (%s, 'ingest', 'ingest.run_daily', 'ingest', 'queued', '{"market": "TSE_PRIME", "text": "日本 ''\\\\ %%"}', 0)
"""


@pytest.fixture
def data(open_tmp: Path) -> Path:
    """A data folder whose ledger has the oldest schema that this release knows, and holds a job."""
    folder = open_tmp / "data"
    folder.mkdir(mode=0o755)
    (folder / "lock").touch()
    with started_postgres(folder, open_tmp / "postgres.log") as url:
        migrate(url, BASELINE)
        with psycopg.connect(url) as connection:
            connection.execute(INSERT, (JOB,))
    return folder


def jobs_in(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT job_id, request, requested_at FROM jobs").fetchall()


def test_a_restored_ledger_holds_every_row_and_is_migrated(
    data: Path, open_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KABOOM_LANG", "en")
    monkeypatch.setenv("KABOOM_DATA_DIR", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made, new = open_tmp / "made", open_tmp / "new"
    assert run_cli(["backup", str(made), "--data-dir", str(data)]) == 0
    manifest = read_manifest(made)
    assert (manifest.revision, manifest.rows["jobs"], manifest.rows["job_chunks"]) == (BASELINE, 1, 0)
    assert run_cli(["restore", str(made), "--data-dir", str(new)]) == 0
    assert not list(open_tmp.glob(".*.draft"))
    log = open_tmp / "postgres.log"
    with started_postgres(data, log) as old_url, started_postgres(new, log) as url:
        assert jobs_in(url) == jobs_in(old_url) != []
        check_schema(url)


def test_a_backup_has_no_key_of_logins(data: Path, open_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_DATA_DIR", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with started_postgres(data, open_tmp / "postgres.log") as url:
        migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO api_keys VALUES ('jwt', 'a-key-that-signs-logins')")
    made = open_tmp / "made"
    assert run_cli(["backup", str(made), "--data-dir", str(data)]) == 0
    assert read_manifest(made).rows["api_keys"] == 0
    argv = (find_postgres() / "pg_restore", "--file=-", made / "ledger.dump")
    printed = subprocess.run(argv, capture_output=True, check=True).stdout
    assert b"COPY public.jobs" in printed
    assert b"a-key-that-signs-logins".hex().encode() not in printed
    assert b"COPY public.api_keys" not in printed


def test_an_external_ledger_is_not_restored_into_a_folder(
    data: Path, open_tmp: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KABOOM_LANG", "en")
    monkeypatch.setenv("KABOOM_DATA_DIR", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made = open_tmp / "made"
    assert run_cli(["backup", str(made), "--data-dir", str(data)]) == 0
    monkeypatch.setenv("DATABASE_URL", "postgresql://user@elsewhere.invalid/ledger")
    assert run_cli(["restore", str(made), "--data-dir", str(open_tmp / "new")]) == 5
    assert "DATABASE_URL is set" in capsys.readouterr().err
    assert run_cli(["backup", str(open_tmp / "second"), "--data-dir", str(data)]) == 0
    assert read_manifest(open_tmp / "second").revision == ""
    assert "not in this backup: the jobs" in capsys.readouterr().err


def test_a_killed_restore_leaves_no_folder_and_no_server(
    data: Path, open_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = clean_environment(KABOOM_DATA_DIR=str(data))
    monkeypatch.setenv("KABOOM_DATA_DIR", "")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made, new = open_tmp / "made", open_tmp / "new"
    assert run_cli(["backup", str(made), "--data-dir", str(data)]) == 0
    process = subprocess.Popen((*KABOOM, "restore", str(made), "--data-dir", str(new)), env=env, cwd=open_tmp)
    try:
        (lock,) = until(lambda: list(open_tmp.glob(".new.*.draft/postgres/postmaster.pid")), bool, within_s=60)
        until(lambda: "ready" in lock.read_text(), bool, within_s=30)
    finally:
        process.kill()
        process.wait()
    draft = lock.parents[1]
    assert find_workers_on(draft)
    assert not new.exists()
    assert run_cli(["restore", str(made), "--data-dir", str(new)]) == 0
    assert find_workers_on(draft) == []
    assert not draft.exists()
    with started_postgres(new, open_tmp / "postgres.log") as url:
        assert [row[0] for row in jobs_in(url)] == [JOB]


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="PostgreSQL did not answer"):
        dump_database("postgresql://postgres@/postgres?host=/nowhere.invalid", tmp_path / "dump")
