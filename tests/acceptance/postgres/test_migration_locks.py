"""Migrations of a ledger that is in use: bounded waits for locks, and indexes that are built beside its writers."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from kaboom.cli.stack import migrate as migrating
from kaboom.cli.stack.migrate import migrate
from kaboom.errors import StoreError
from kaboom.jobs.postgres.schema import REVISION
from tests.fixtures.repo.repository import ROOT
from tests.fixtures.servers.servers import Servers, fresh_database
from tests.fixtures.servers.stacks import until

NEXT = f"{int(REVISION) + 1:04}"
COLUMN = 'op.execute("ALTER TABLE schedules ADD COLUMN weight integer")'
INDEX = 'create_index("jobs_by_rate", "jobs (task)")'


@pytest.fixture
def url(servers: Servers) -> Iterator[str]:
    """A migrated database that nobody else uses."""
    with fresh_database(servers) as found:
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry soon, and not for minutes."""
    monkeypatch.setattr(migrating, "RETRY_AFTER_S", (0.1, 0.1))


def scripts(folder: Path, does: str) -> str:
    """Return a folder with all migrations and one more."""
    made = folder / "migrations"
    shutil.copytree(ROOT / "src/kaboom/migrations", made, ignore=shutil.ignore_patterns("__pycache__"))
    (made / f"versions/{NEXT}_next.py").write_text(
        "from alembic import op\nfrom kaboom.migrations.indexes import create_index\n\n"
        f'revision = "{NEXT}"\ndown_revision = "{REVISION}"\n\n\ndef upgrade() -> None:\n    {does}\n'
    )
    return str(made)


def read(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        return row and row[0]


REVISION_OF = "SELECT version_num FROM alembic_version"
HAS_COLUMN = "SELECT count(*) FROM information_schema.columns WHERE (table_name, column_name) = ('schedules', 'weight')"
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('jobs_by_rate')"
WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kaboom-migrate' AND wait_event_type = 'Lock'"


def test_a_table_that_stays_locked_ends_the_migration_with_the_cause(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, application_name="a long report") as holder:
        holder.execute("SELECT count(*) FROM schedules")
        with pytest.raises(StoreError) as failed:
            migrate(url, scripts=scripts(tmp_path, COLUMN))
        assert failed.value.retryable
        assert "got no lock on a table in 3 attempts" in failed.value.message
        assert f"pid {holder.info.backend_pid} (a long report as " in failed.value.message
        assert "idle in transaction for " in failed.value.message
        assert "pg_terminate_backend(pid)" in failed.value.message
    assert (read(url, REVISION_OF), read(url, HAS_COLUMN)) == (REVISION, 0)


def test_a_locked_migration_goes_on_when_the_lock_is_free(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url) as holder, ThreadPoolExecutor() as pool:
        holder.execute("SELECT count(*) FROM schedules")
        running = pool.submit(migrate, url, scripts=scripts(tmp_path, COLUMN))
        until(lambda: read(url, WAITERS), lambda count: count == 1, within_s=20)
        # A statement of the ledger that comes behind the migration gets its turn: it waits no longer than that does.
        with psycopg.connect(url, options="-c statement_timeout=5000") as other:
            other.execute("SELECT count(*) FROM schedules")
        holder.rollback()
        running.result(30)
    assert (read(url, REVISION_OF), read(url, HAS_COLUMN)) == (NEXT, 1)


def start(url: str, folder: str) -> "subprocess.Popen[str]":
    """Migrate in a process of its own: Alembic keeps its state in modules."""
    code = f"from kaboom.cli.stack.migrate import migrate; migrate({url!r}, scripts={folder!r})"
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


def test_an_index_is_built_beside_writers_and_other_migrations(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"ALTER DATABASE {owner.info.dbname} SET statement_timeout = '200ms'")
    folder = scripts(tmp_path, INDEX)
    with psycopg.connect(url) as writer:
        writer.execute("UPDATE jobs SET task = task")
        both = [start(url, folder) for _ in range(2)]
        until(lambda: read(url, WAITERS), lambda count: count == 1, within_s=20)
        # Longer than the timeout of the database, and than a migration waits for a lock.
        assert not threading.Event().wait(3.5)
        with psycopg.connect(url) as other:
            other.execute("UPDATE jobs SET task = task")
        writer.commit()
    ends = [(each.communicate(timeout=30)[1], each.returncode) for each in both]
    assert ends == [("", 0)] * 2
    assert (read(url, REVISION_OF), read(url, IS_VALID)) == (NEXT, True)


def test_an_index_that_an_interrupted_build_left_is_built_again(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE INDEX jobs_by_rate ON jobs (task)")
        owner.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'jobs_by_rate'::regclass")
    migrate(url, scripts=scripts(tmp_path, INDEX))
    assert read(url, IS_VALID) is True
