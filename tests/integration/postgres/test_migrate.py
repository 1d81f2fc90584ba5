"""`kaboom migrate` on a database that it cannot use: one line that says what was expected."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from kaboom.cli.exits import Exit
from kaboom.cli.stack.migrate import check_schema, migrate
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
        with pytest.raises(StoreError, match="unless a newer release"):
            check_schema(url)
        done = kaboom(tmp_path, "migrate", url=url)
        assert "newer release" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


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
