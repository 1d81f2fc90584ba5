"""The SQL of the operations pages and of bootstrap.sh, where the administrator is no superuser, as on Cloud SQL."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from kaboom.cli.stack.migrate import check_schema, migrate
from kaboom.drivers.embedded.postgres_cluster import run_as
from kaboom.drivers.embedded.servers import embed_postgres
from kaboom.errors import KaboomError
from tests.fixtures.repo.repository import load_text
from tests.fixtures.servers.servers import let_everybody_in, open_folder

SECRETS, POSTGRESQL = "docs/operations/secrets.md", "docs/operations/postgresql.md"
IMPORTED = "infra/database/roles.sql"
ROLES = ("kaboom_a", "kaboom_b", "kaboom")


def read_sql(page: str) -> list[str]:
    """Return the blocks of SQL in a page, without their indentation."""
    return [
        re.sub(r"^ +", "", block, flags=re.MULTILINE)
        for block in re.findall(r"```sql\n(.*?)```", load_text(page), re.DOTALL)
    ]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a PostgreSQL of its own: roles are shared by all databases of a server."""
    with open_folder() as folder:
        postgres = embed_postgres(folder)
        process = subprocess.Popen(postgres.argv, stderr=subprocess.DEVNULL, **run_as(postgres.user, postgres.folder))
        deadline = time.monotonic() + 30
        while not postgres.is_ready():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        let_everybody_in(postgres.url)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("CREATE ROLE cloudsqlsuperuser NOLOGIN")
            connection.execute("CREATE ROLE administrator LOGIN CREATEROLE CREATEDB IN ROLE cloudsqlsuperuser")
        yield postgres.url
        process.send_signal(postgres.stop_signal)
        process.wait(30)


def address(server: str, role: str, database: str) -> str:
    """Return the address of a database of the server for a role."""
    return server.replace("//postgres@", f"//{role}@").replace("/postgres?", f"/{database}?")


def run(url: str, sql: str) -> None:
    """Run the statements one by one, as psql does."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in sql.split(";"):
            if statement.strip():
                connection.execute(statement.encode())


@contextmanager
def emptied(server: str) -> Iterator[str]:
    """Give the administrator's address, and drop what it has made afterwards."""
    try:
        yield address(server, "administrator", "postgres")
    finally:
        run(
            server,
            "DROP DATABASE IF EXISTS kaboom WITH (FORCE); " + "".join(f"DROP ROLE IF EXISTS {r};" for r in ROLES),
        )


def walk(server: str, pages: list[str]) -> None:
    """Do what secrets.md says: make the roles, work as both, give one a password, lock the other."""
    setup, *turn = pages
    with emptied(server) as administrator:
        run(administrator, setup)
        work_in_turn(server, administrator, turn)


def work_in_turn(server: str, administrator: str, turn: list[str]) -> None:
    """Work as both roles, give one a password, lock the other."""
    renew, lock = turn
    first, second = (address(server, role, "kaboom") for role in ROLES[:2])
    migrate(first)
    run(first, "CREATE TABLE later (id int)")
    run(administrator, renew)
    check_schema(second)
    run(second, "INSERT INTO later VALUES (1); ALTER TABLE later ADD COLUMN name text; DROP TABLE later")
    with psycopg.connect(first) as old:
        run(administrator, lock)
        with pytest.raises(psycopg.OperationalError):
            old.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(first).close()
    check_schema(second)


def test_two_roles_in_turn_work_without_a_superuser(server: str) -> None:
    walk(server, read_sql(SECRETS))


def test_one_role_works_without_a_superuser(server: str) -> None:
    (setup,) = read_sql(POSTGRESQL)
    with emptied(server) as administrator:
        run(administrator, setup)
        migrate(address(server, "kaboom", "kaboom"))


def walk_on_cloud_sql(server: str, imported: str) -> None:
    """Do what bootstrap.sh and then secrets.md do, in a database that belongs to a group of the administrator."""
    with emptied(server) as administrator:
        run(server, "CREATE DATABASE kaboom OWNER cloudsqlsuperuser ENCODING 'UTF8' TEMPLATE template0")
        for _ in range(2):
            with psycopg.connect(address(server, "administrator", "kaboom"), autocommit=True) as connection:
                connection.execute(imported.encode())
        for role in ROLES[:2]:
            with psycopg.connect(address(server, role, "kaboom")) as connection:
                assert connection.execute("SELECT current_user").fetchone() == ("kaboom",)
        work_in_turn(server, administrator, read_sql(SECRETS)[1:])
        with psycopg.connect(address(server, "administrator", "kaboom"), autocommit=True) as connection:
            connection.execute(imported.encode())
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            psycopg.connect(address(server, "kaboom_a", "kaboom")).close()


def test_the_roles_of_a_cloud_sql_are_made_once(server: str) -> None:
    walk_on_cloud_sql(server, load_text(IMPORTED))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ALTER DATABASE kaboom OWNER TO kaboom;", ""),
        ("GRANT kaboom, kaboom_a, kaboom_b TO CURRENT_USER;", ""),
        ("GRANT kaboom, kaboom_a, kaboom_b", "GRANT kaboom"),
        ("IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kaboom') THEN", "IF true THEN"),
        ("CREATE ROLE kaboom_b LOGIN IN ROLE kaboom", "CREATE ROLE kaboom_b LOGIN"),
        ("ALTER ROLE kaboom_a SET role = 'kaboom';", ""),
        ("END\n$$;", "END\n$$;\nALTER ROLE kaboom_a LOGIN;"),
    ],
)
def test_a_fault_in_the_imported_sql_is_found(server: str, old: str, new: str) -> None:
    text = load_text(IMPORTED)
    assert old in text
    with pytest.raises((psycopg.Error, KaboomError, AssertionError, pytest.fail.Exception)):
        walk_on_cloud_sql(server, text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("GRANT kaboom TO CURRENT_USER;", ""),
        ("OWNER kaboom ", ""),
        ("ENCODING 'UTF8'", "ENCODING 'SQL_ASCII' LOCALE 'C'"),
        ("PASSWORD '…' IN ROLE kaboom;\nALTER", "PASSWORD '…';\nALTER"),
        ("ALTER ROLE kaboom_a SET role = 'kaboom';", ""),
        ("GRANT kaboom_a, kaboom_b TO CURRENT_USER;", ""),
        ("ALTER ROLE kaboom_a NOLOGIN;", ""),
        ("SELECT pg_terminate_backend(pid)", "SELECT pid"),
    ],
)
def test_a_planted_fault_is_found(server: str, old: str, new: str) -> None:
    pages = read_sql(SECRETS)
    planted = [page.replace(old, new) for page in pages]
    assert planted != pages
    with pytest.raises((psycopg.Error, KaboomError, pytest.fail.Exception)):
        walk(server, planted)
