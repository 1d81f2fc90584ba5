"""`kaboom migrate` on a database that it cannot use: one line that says what was expected."""

import hashlib
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from kaboom.cli.exits import Exit
from kaboom.cli.stack.migrate import BASELINE, check_schema, migrate
from kaboom.drivers.embedded.servers import free_port
from kaboom.errors import ConfigurationError, StoreError
from tests.fixtures.servers.servers import Servers, fresh_database
from tests.fixtures.servers.stacks import KABOOM, clean_environment


@contextmanager
def database(servers: Servers, options: str) -> Iterator[str]:
    """Give an empty database that was made with some options."""
    name = f"made_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {options}")
    yield servers.database_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def kaboom(folder: Path, *arguments: str, url: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on a ledger."""
    env = clean_environment(KABOOM_DATA_DIR=str(folder), DATABASE_URL=url)
    return subprocess.run(
        (*KABOOM, *arguments), env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_is_not_utf8_is_refused_in_one_line(servers: Servers, tmp_path: Path, encoding: str) -> None:
    with database(servers, f"ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'") as url:
        done = kaboom(tmp_path, "migrate", url=url)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT to_regclass('jobs')").fetchone() in {(None,), (b"",)}
    assert done.returncode == Exit.USAGE, done
    assert f"the encoding {encoding}, expected UTF8" in " ".join(done.stderr.split())
    assert "CREATE DATABASE kaboom ENCODING 'UTF8' TEMPLATE template0" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_schema_of_a_newer_release_is_refused(servers: Servers, tmp_path: Path) -> None:
    with fresh_database(servers) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(ConfigurationError, match=r"revision 9999.*newer release"):
            migrate(url)
        with pytest.raises(StoreError, match="a newer release has migrated the schema: it is at revision 9999"):
            check_schema(url)
        done = kaboom(tmp_path, "migrate", url=url)
        assert "newer release" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


@pytest.mark.parametrize("revision", ["0005", "0020"])
def test_an_older_schema_names_what_migrates_it(servers: Servers, tmp_path: Path, revision: str) -> None:
    with fresh_database(servers) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = %s", (revision,))
        done = kaboom(tmp_path, "migrate", url=url)
        assert done.returncode == Exit.USAGE, done
        assert f"at revision {revision}, older than {BASELINE}" in " ".join(done.stderr.split())
        assert "git checkout 78e52e73 && make setup` and then `kaboom migrate" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        with pytest.raises(StoreError, match=f"the schema is at revision {revision}, .* run `kaboom migrate`"):
            check_schema(url)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (revision,)


#: Everything of a schema that its users notice, as text.
SCHEMA = """
SELECT table_name || ' ' || ordinal_position || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
    || coalesce(column_default, '') || ' ' || is_identity FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'u')
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT proname || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
#: Of a database that went through 0001 to 0021, one after the other, before one file took their place.
STEPS = "aef6b0769719c84cd106c21767d6ffc1401bbe5c1238c884ea78ec8a6e292499"


def test_the_baseline_makes_the_schema_of_the_steps_that_it_replaced(servers: Servers) -> None:
    with database(servers, "") as url:
        migrate(url, BASELINE)
        with psycopg.connect(url) as connection:
            lines = sorted(line for (line,) in connection.execute(SCHEMA).fetchall())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == STEPS, lines


def test_kaboom_up_refuses_a_schema_of_a_newer_release(servers: Servers, tmp_path: Path) -> None:
    with fresh_database(servers) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        done = kaboom(tmp_path, "up", "--port", str(free_port()), url=url)
    assert done.returncode == Exit.USAGE, done
    assert "newer release" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_an_address_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    done = kaboom(tmp_path, "migrate", url="postgresql://kaboom:secret@127.0.0.1:1/none")
    assert done.returncode == Exit.UNAVAILABLE, done
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
