"""Who may connect to the embedded PostgreSQL, and what a planted folder does: nothing."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import psutil
import psycopg
import pytest

from kaboom.drivers.embedded.postgres_cluster import find_postgres, run_as
from kaboom.drivers.embedded.servers import embed_postgres
from kaboom.errors import ConfigurationError
from tests.acceptance.embedded.test_embedded import started

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
#: Another user of the machine, who is not the one that PostgreSQL runs as either.
OTHER = "daemon"


def connect_as(user: str, url: str) -> str:
    """Return what another user is answered."""
    argv = [str(find_postgres() / "psql"), "-X", "-w", "-c", "SELECT 'inside'", url]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, **run_as(user))
    return f"{done.stdout}{done.stderr}"


@pytest.fixture
def deep(open_tmp: Path) -> Path:
    """A data folder whose path is too long for a socket."""
    folder = open_tmp / ("d" * 60) / ("e" * 60)
    folder.mkdir(parents=True)
    return folder


def socket_folder(data_dir: Path) -> Path:
    argv = embed_postgres(data_dir).argv
    return Path(argv[argv.index("-k") + 1])


def test_only_our_own_user_is_let_in(open_tmp: Path) -> None:
    server = embed_postgres(open_tmp)
    with started(server, open_tmp), psycopg.connect(server.url) as connection:
        rules = connection.execute("SELECT type, auth_method, options, error FROM pg_hba_file_rules").fetchall()
        assert rules == [("local", "peer", ["map=kaboom"], None)]
        names = connection.execute("SELECT sys_name, pg_username FROM pg_ident_file_mappings").fetchall()
        assert names == [(pwd.getpwuid(os.geteuid()).pw_name, "postgres")]


@ROOT_ONLY
def test_a_user_who_reaches_the_socket_is_refused(open_tmp: Path) -> None:
    server = embed_postgres(open_tmp)
    with started(server, open_tmp):
        # As if the folders did not keep them out.
        for path in (open_tmp / "pg", open_tmp / "pg/.s.PGSQL.5432"):
            path.chmod(0o777)
        assert "Peer authentication failed" in connect_as(OTHER, server.url)
        # The user that the server runs as may not connect either.
        assert "Peer authentication failed" in connect_as("nobody", server.url)


def test_a_cluster_that_trusted_everybody_is_closed_at_the_next_start(open_tmp: Path) -> None:
    embed_postgres(open_tmp)
    hba = open_tmp / "postgres/pg_hba.conf"
    hba.write_text("local all all trust\n")
    server = embed_postgres(open_tmp)
    assert "trust" not in hba.read_text()
    assert stat.S_IMODE(hba.stat().st_mode) == 0o600
    with started(server, open_tmp), psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@ROOT_ONLY
def test_the_server_has_the_groups_of_its_user_alone(open_tmp: Path) -> None:
    server = embed_postgres(open_tmp)
    with started(server, open_tmp) as child:
        lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        nobody = pwd.getpwnam("nobody")
        assert {*status["Uid"].split()} == {str(nobody.pw_uid)}
        assert {*status["Gid"].split()} == {str(nobody.pw_gid)}
        assert status["Groups"].split() == []
    assert {path.stat().st_gid for path in (open_tmp / "postgres").rglob("*") if path.name != "pg_wal"} <= {
        nobody.pw_gid,
        os.getegid(),
    }


def test_the_socket_folder_among_temporary_files_cannot_be_guessed(deep: Path, open_tmp: Path) -> None:
    other = open_tmp / ("d" * 60) / ("f" * 60)
    other.mkdir()
    first, second = socket_folder(deep), socket_folder(other)
    try:
        assert first != second
        assert stat.S_IMODE(first.stat().st_mode) == 0o700
        assert first == socket_folder(deep)
        # Not made of the path: a new data folder in the same place has another one.
        (deep / "socket-folder").unlink()
        third = socket_folder(deep)
        assert third != first
        shutil.rmtree(third)
    finally:
        shutil.rmtree(first)
        shutil.rmtree(second)


@pytest.mark.parametrize("plant", ["open", "link", "file", "nothing"])
def test_a_planted_socket_folder_is_not_taken(deep: Path, open_tmp: Path, plant: str) -> None:
    first = socket_folder(deep)
    shutil.rmtree(first)
    trap = open_tmp / "trap"
    trap.mkdir(mode=0o700)
    if plant == "open":
        first.mkdir(mode=0o777)
        first.chmod(0o777)
    elif plant == "link":
        first.symlink_to(trap)
    elif plant == "file":
        first.touch()
    second = socket_folder(deep)
    try:
        assert second != first
        assert (second.is_dir(), second.is_symlink()) == (True, False)
        assert list(trap.iterdir()) == []
    finally:
        shutil.rmtree(second)
        if first.is_symlink() or first.is_file():
            first.unlink()
        elif first.exists():
            first.rmdir()


@ROOT_ONLY
def test_a_socket_folder_of_another_user_is_not_taken(deep: Path) -> None:
    first = socket_folder(deep)
    os.chown(first, pwd.getpwnam(OTHER).pw_uid, -1)
    second = socket_folder(deep)
    assert second != first
    shutil.rmtree(first)
    shutil.rmtree(second)


def test_a_link_in_place_of_the_socket_folder_is_refused(open_tmp: Path) -> None:
    (open_tmp / "elsewhere").mkdir()
    (open_tmp / "pg").symlink_to(open_tmp / "elsewhere")
    with pytest.raises(ConfigurationError, match="pg is a symbolic link, expected a folder"):
        embed_postgres(open_tmp)


def test_a_lock_that_was_copied_from_a_running_cluster_does_not_block(open_tmp: Path) -> None:
    original, copy = open_tmp / "original", open_tmp / "copy"
    original.mkdir()
    server = embed_postgres(original)
    with started(server, original) as child:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE t AS SELECT 42 AS answer")
        subprocess.run(["cp", "-a", str(original), str(copy)], check=True)
        # The original's own lock stays.
        embed_postgres(original)
        assert (original / "postgres/postmaster.pid").read_text().split("\n", 1)[0] == str(child.pid)
        second = embed_postgres(copy)
        with started(second, copy), psycopg.connect(second.url) as connection:
            assert connection.execute("SELECT answer FROM t").fetchone() == (42,)
            assert psutil.pid_exists(child.pid)
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT answer FROM t").fetchone() == (42,)
