"""Files of embedded servers: secrets in one step, who a folder is, Valkey's last address, and its damaged log."""

import os
import re
from pathlib import Path

import pytest

from kaboom.drivers.embedded.run_file import (
    identify_folder,
    prove_token,
    read_run_file,
    write_private,
    write_run_file,
)
from kaboom.drivers.embedded.servers import _quote_conf, _read_conf, free_port, is_free, set_damaged_log_aside
from tests.fixtures.servers.http_servers import Response, serving

MANIFEST = "appendonly.aof.manifest"


def test_a_private_file_is_replaced_in_one_step_and_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    # What a killed process of the same id left.
    (tmp_path / f"secret.{os.getpid()}.tmp").write_bytes(b"left")
    write_private(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_that_cannot_be_written_leaves_the_old_one_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.mkdir()
    (path / "full").touch()
    with pytest.raises(OSError, match="secret"):
        write_private(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_file_is_of_its_folder_alone(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    for folder in (data, copy):
        folder.mkdir()
    assert (identify_folder(data), read_run_file(data)) == ("", {})
    write_run_file(data, {"pid": 7})
    # Without a lock file nobody runs there.
    assert read_run_file(data) == {}
    for folder in (data, copy):
        (folder / "lock").touch()
    write_run_file(data, {"pid": 7})
    assert read_run_file(data) == {"data_dir": str(data), "folder": identify_folder(data), "pid": 7}
    (copy / "run.json").write_bytes((data / "run.json").read_bytes())
    (copy / "run.json").chmod(0o600)
    assert read_run_file(copy) == {}
    written = (data / "run.json").stat().st_ino
    write_run_file(data, {"pid": 7})
    assert (data / "run.json").stat().st_ino == written
    write_run_file(data, {"pid": 8})
    assert read_run_file(data)["pid"] == 8


def test_a_proof_is_of_a_token_a_folder_and_an_address(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    for folder in (data, other):
        folder.mkdir()
        (folder / "lock").touch()
    proofs = [
        prove_token("token", data, "http://here"),
        prove_token("token", data, "http://there"),
        prove_token("other", data, "http://here"),
        prove_token("token", other, "http://here"),
    ]
    assert len(set(proofs)) == 4
    assert prove_token("token", data, "http://here") == proofs[0]


def test_valkey_keeps_its_port_and_password_in_its_own_folder(tmp_path: Path) -> None:
    conf, folder = tmp_path / "valkey.conf", _quote_conf(tmp_path)
    conf.write_text(f"bind 127.0.0.1\nport 6380\nrequirepass hush\ndir {folder}\n")
    assert _read_conf(conf, folder) == (6380, "hush")
    for other in (tmp_path / "copy", tmp_path / "none"):
        port, password = _read_conf(conf if other.name == "copy" else other, _quote_conf(other))
        assert port is None
        assert re.fullmatch("[0-9a-f]{32}", password)
    conf.write_text(f"port six\nrequirepass hush\ndir {folder}\n")
    assert _read_conf(conf, folder)[0] is None
    assert _quote_conf(Path('/a "b"\\c')) == '"/a \\"b\\"\\\\c"'


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with serving(lambda _: Response(200)) as url:
        assert not is_free(int(url.rpartition(":")[2]))
    assert is_free(free_port())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """An append-only log of Valkey without damage."""
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / MANIFEST).write_text("file base.rdb seq 1 type b\nfile incr.aof seq 1 type i\n")
    (folder / "base.rdb").write_bytes(b"x")
    (folder / "incr.aof").touch()
    return folder


def test_a_sound_log_stays_where_it_is(tmp_path: Path, log: Path) -> None:
    for words in ("", "7:M 01 Jan 2026 # Could not create server TCP listening socket: Address already in use"):
        assert set_damaged_log_aside(tmp_path, words) is None
    assert log.is_dir()
    assert set_damaged_log_aside(tmp_path / "none", "") is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "7:M # Unexpected end of file reading the append only file incr.aof. You can: 1) Make a backup",
            "Unexpected end of file reading the append only file incr.aof.",
        ),
        (
            "7:M * Ready\n7:M # Bad file format reading the append only file incr.aof: make a backup of your AOF file",
            "Bad file format reading the append only file incr.aof",
        ),
        ("7:M # Found an empty AOF manifest", "Found an empty AOF manifest"),
    ],
)
def test_a_log_that_valkey_cannot_read_is_set_aside_with_its_words(
    tmp_path: Path, log: Path, words: str, reason: str
) -> None:
    found = set_damaged_log_aside(tmp_path, words)
    assert found is not None
    path, said = found
    assert said == reason
    assert re.fullmatch(r"appendonlydir\.damaged-\d{8}T\d{6}Z", path.name)
    assert (path.parent, (path / MANIFEST).exists(), log.exists()) == (tmp_path, True, False)


def test_damage_that_valkey_does_not_see_is_found(tmp_path: Path, log: Path) -> None:
    (log / "base.rdb").write_bytes(b"")
    found = set_damaged_log_aside(tmp_path, "")
    assert found is not None
    assert found[1] == "base.rdb is empty"


@pytest.mark.parametrize(("size", "is_damaged"), [(512, False), (513, True)])
def test_a_log_without_its_list_is_damaged_unless_it_is_of_a_first_start(
    tmp_path: Path, log: Path, size: int, *, is_damaged: bool
) -> None:
    (log / MANIFEST).unlink()
    (log / "base.rdb").write_bytes(b"x" * size)
    found = set_damaged_log_aside(tmp_path, "")
    assert (found is not None) == is_damaged
    assert found is None or found[1] == f"{MANIFEST} is missing"


def test_a_second_log_of_a_second_has_a_name_of_its_own(tmp_path: Path, log: Path) -> None:
    names = set[str]()
    for _ in range(3):
        log.mkdir(exist_ok=True)
        (log / "base.rdb").write_bytes(b"x" * 513)
        (log / MANIFEST).unlink(missing_ok=True)
        found = set_damaged_log_aside(tmp_path, "")
        assert found is not None
        names.add(found[0].name)
    assert len(names) == 3
