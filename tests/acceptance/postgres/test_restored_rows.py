"""A restore copies rows to tables of our migrations: no SQL of a dump runs, and keys and sessions are left out."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kaboom.cli.backup.manifest import LEDGER, WITHOUT, Manifest, hash_file, read_manifest, started_postgres
from kaboom.cli.main import run_cli
from kaboom.cli.stack.migrate import BASELINE, check_schema, migrate
from kaboom.drivers.embedded.postgres_cluster import find_postgres
from kaboom.drivers.postgres.dump import DumpFacts, dump_database, restore_rows
from kaboom.errors import StoreError

ROWS = """
INSERT INTO jobs (job_id, queue, task, owner, status, request, attempt)
    SELECT md5(n::text), 'ingest', 'ingest.run_daily', 'ingest', 'queued', '{"text": "\\\\.\\n日本\\t''"}', 0
    FROM generate_series(1, 3) n;
INSERT INTO job_chunks (job_id, n, items, payload, state, attempts, tally)
    SELECT job_id, 1, '[]', '{}', 'queued', 0, '{}' FROM jobs;
INSERT INTO users (user_id, name, password_hash, role, owner) VALUES ('u1', 'admin', 'argon', 'admin', 'ingest');
INSERT INTO api_keys VALUES ('jwt', 'the-key-that-signs-logins-in-clear');
INSERT INTO webhook_deliveries (delivery_id, job_id, owner, url, host, status)
    SELECT 'd' || n, md5(n::text), 'ingest', 'https://x.invalid/', 'x.invalid', 'pending' FROM generate_series(1, 3) n;
DELETE FROM webhook_deliveries WHERE delivery_id = 'd3';
UPDATE schedules SET name = 'mine';
"""


@pytest.fixture
def source(open_tmp: Path) -> Iterator[str]:
    """A ledger of the oldest schema that this release knows, with rows."""
    folder = open_tmp / "source"
    folder.mkdir(mode=0o755)
    (folder / "lock").touch()
    with started_postgres(folder, open_tmp / "postgres.log") as url:
        migrate(url, BASELINE)
        with psycopg.connect(url) as connection:
            connection.execute(ROWS)
        yield url


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"KABOOM_LANG": "en", "KABOOM_DATA_DIR": "", "DATABASE_URL": ""}.items():
        monkeypatch.setenv(name, value)


def backup_of(folder: Path, facts: DumpFacts) -> Path:
    """Finish the folder of a backup that has only a ledger."""
    ledger = folder / LEDGER
    files = {LEDGER: (ledger.stat().st_size, hash_file(ledger))}
    Manifest("2026-11-28T00:00:00+00:00", facts.revision, facts.rows, files=files).write(folder)
    return folder


def test_every_row_but_keys_and_sessions_comes_back(source: str, open_tmp: Path) -> None:
    (open_tmp / "made").mkdir()
    # As releases before dumped: with everything.
    made = backup_of(open_tmp / "made", dump_database(source, open_tmp / "made" / LEDGER))
    assert read_manifest(made).rows["api_keys"] == 1
    assert run_cli(["restore", str(made), "--data-dir", str(open_tmp / "new")]) == 0
    with started_postgres(open_tmp / "new", open_tmp / "postgres.log") as url, psycopg.connect(url) as new:
        check_schema(url)
        with psycopg.connect(source) as old:
            for table in ("jobs", "job_chunks", "job_counts", "owner_job_counts", "users", "schedules"):
                rows = f"SELECT t::text FROM {table} t ORDER BY 1"
                assert new.execute(rows).fetchall() == old.execute(rows).fetchall() != [], table
        assert new.execute("SELECT count(*) FROM api_keys").fetchone() == (0,)
        # The schema is whole again: triggers count, foreign keys hold, and no number is given out twice.
        new.execute(
            "INSERT INTO webhook_deliveries (delivery_id, job_id, owner, url, host, status)"
            " VALUES ('d4', 'j', 'ingest', 'https://y.invalid/', 'y.invalid', 'pending')"
        )
        assert new.execute("SELECT max(place) FROM webhook_deliveries").fetchone() == (4,)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            new.execute("UPDATE job_chunks SET job_id = 'none' WHERE job_id = md5('1')")


def test_a_dump_has_neither_keys_nor_sessions(source: str, open_tmp: Path) -> None:
    facts = dump_database(source, open_tmp / "dump", without=WITHOUT)
    assert (facts.rows["api_keys"], facts.rows["browser_sessions"], facts.rows["users"]) == (0, 0, 1)
    printed = subprocess.run(
        [find_postgres() / "pg_restore", "--file=-", open_tmp / "dump"], capture_output=True, check=True
    ).stdout
    assert b"COPY public.users" in printed
    assert b"COPY public.api_keys" not in printed
    assert b"COPY public.browser_sessions" not in printed


HOSTILE = """
CREATE FUNCTION public.attack() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN COPY (SELECT 1) TO PROGRAM '{touch}'; END $$;
CREATE EVENT TRIGGER attack ON ddl_command_end EXECUTE FUNCTION public.attack();
"""


def test_functions_and_triggers_of_a_dump_are_not_made(
    source: str, open_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = open_tmp / "attacked"
    (open_tmp / "made").mkdir()
    with psycopg.connect(source) as connection:
        connection.execute("CREATE TABLE planted (x int); INSERT INTO planted VALUES (1)")
        connection.execute(HOSTILE.format(touch=f"touch {marker}"))
    made = backup_of(open_tmp / "made", dump_database(source, open_tmp / "made" / LEDGER))
    assert not marker.exists()
    assert run_cli(["restore", str(made), "--data-dir", str(open_tmp / "new")]) == 0
    assert not marker.exists()
    err = capsys.readouterr().err
    assert "restore only backups that you made" in err
    assert "the tables planted" in err
    with started_postgres(open_tmp / "new", open_tmp / "postgres.log") as url, psycopg.connect(url) as new:
        assert new.execute("SELECT count(*) FROM pg_event_trigger").fetchone() == (0,)
        assert new.execute("SELECT to_regclass('planted'), to_regproc('attack')").fetchone() == (None, None)


def test_a_program_in_a_dump_is_not_run(source: str, open_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_tmp.chmod(0o777)
    (open_tmp / "made").mkdir()
    dump, marker = open_tmp / "made" / LEDGER, open_tmp / "attacked"
    facts = dump_database(source, dump)
    content = dump.read_bytes()
    begin = content.index(b"COPY public.jobs (")
    end = content.index(b";\n", begin)
    # The statement is a text of the dump; one of the same length keeps the dump readable.
    attack = b"COPY public.jobs FROM PROGRAM 'touch %b' --" % bytes(marker)
    dump.write_bytes(content[:begin] + attack.ljust(end - begin) + content[end:])
    made = backup_of(open_tmp / "made", facts)
    assert run_cli(["restore", str(made), "--data-dir", str(open_tmp / "new")]) != 0
    assert not marker.exists()
    assert not (open_tmp / "new").exists()
    assert "the rows of the dump do not fit" in capsys.readouterr().err
    # PostgreSQL's own tool runs it, also when it restores data only.
    with psycopg.connect(source) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    argv = (find_postgres() / "pg_restore", "--data-only", f"--dbname={source}", dump)
    subprocess.run(argv, check=False, capture_output=True)
    assert marker.exists()


def test_rows_that_break_a_foreign_key_are_refused(source: str, open_tmp: Path) -> None:
    dump_database(source, open_tmp / "dump")
    with psycopg.connect(source) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    with pytest.raises(StoreError, match="foreign key"):
        restore_rows(source, open_tmp / "dump", without=("jobs", *WITHOUT))
    with psycopg.connect(source) as connection:
        assert connection.execute("SELECT count(*) FROM job_chunks").fetchone() == (0,)


def test_a_dump_that_was_cut_off_is_refused(source: str, open_tmp: Path) -> None:
    dump = open_tmp / "dump"
    dump_database(source, dump)
    dump.write_bytes(dump.read_bytes()[:-4000])
    with pytest.raises(StoreError, match="pg_restore failed"):
        restore_rows(source, dump, without=WITHOUT)
    with psycopg.connect(source) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (3,)
