"""Migrations through PgBouncer: one at a time, and refused where the pooler allows no transactions."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kaboom.cli.exits import Exit
from kaboom.cli.stack.migrate import check_schema, migrate
from kaboom.errors import StoreError
from tests.fixtures.servers.pgbouncers import pgbouncer
from tests.fixtures.servers.servers import Servers, open_folder
from tests.fixtures.servers.stacks import KABOOM, clean_environment


@pytest.fixture
def empty(servers: Servers) -> Iterator[str]:
    """A database without any table."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE pooled_migrations")
    yield servers.database_url.replace("/postgres?", "/pooled_migrations?")
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE pooled_migrations WITH (FORCE)")


def start_migrate(folder: Path, **env: str) -> "subprocess.Popen[str]":
    """Start `kaboom migrate`."""
    return subprocess.Popen(
        (*KABOOM, "migrate"),
        env=clean_environment(KABOOM_DATA_DIR=str(folder), **env),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_three_at_once_one_migrates_and_the_others_wait(empty: str, tmp_path: Path) -> None:
    with open_folder() as folder, pgbouncer(folder, empty) as pooler:
        # Held as by another migration.
        with psycopg.connect(empty, autocommit=True) as holder:
            holder.execute("SELECT pg_advisory_lock(%s)", (0x6B61626F6F6D,))
            running = [start_migrate(tmp_path, DATABASE_URL=pooler.url) for _ in range(3)]
            asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_xact_lock%'"
            # PgBouncer needs but one server for processes that take turns.
            while holder.execute(asked).fetchone() == (0,):
                assert all(each.poll() is None for each in running), [each.communicate() for each in running]
            assert holder.execute("SELECT to_regclass('jobs')").fetchone() == (None,)
        ends = [(each.communicate(timeout=60), each.returncode) for each in running]
        assert [code for _, code in ends] == [0, 0, 0], ends
        check_schema(pooler.url)


def test_a_pooler_without_transactions_is_refused_and_a_direct_address_taken(empty: str, tmp_path: Path) -> None:
    with open_folder() as folder, pgbouncer(folder, empty, mode="statement") as pooler:
        refused = start_migrate(tmp_path, DATABASE_URL=pooler.url)
        _, said = refused.communicate(timeout=60)
        assert refused.returncode != Exit.OK
        assert "statement pooling" in said
        assert "DATABASE_DIRECT_URL" in said
        assert "Traceback" not in said
        direct = start_migrate(tmp_path, DATABASE_URL=pooler.url, DATABASE_DIRECT_URL=empty)
        assert (direct.communicate(timeout=60)[1], direct.returncode) == ("", Exit.OK)
    check_schema(empty)


def test_a_schema_is_looked_at_through_the_pooler(empty: str) -> None:
    with open_folder() as folder, pgbouncer(folder, empty) as pooler:
        with pytest.raises(StoreError, match="the schema is missing: run `kaboom migrate`"):
            check_schema(pooler.url)
        migrate(empty)
        check_schema(pooler.url)
