"""Only files that nobody but us and root can have written are believed; others are refused with their owner."""

import os
import stat
from pathlib import Path

import pytest

from kaboom.drivers.embedded import trusted_files
from kaboom.drivers.embedded.run_file import find_data_dir, prove_token, read_run_file, write_run_file
from kaboom.drivers.embedded.trusted_files import check_folder, read_trusted
from kaboom.errors import ConfigurationError
from tests.fixtures.servers.owners import give_away

NAME = "ingest-token"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a token, as `kaboom up` leaves it."""
    made = tmp_path / ".kaboom"
    made.mkdir(mode=0o700)
    (made / NAME).touch(mode=0o600)
    (made / NAME).write_bytes(b"token\n")
    return made


def test_our_file_is_read(folder: Path) -> None:
    assert read_trusted(folder, NAME) == b"token\n"
    # The modes of root's folder, of umask 077 and of a file that was written by hand.
    for folder_mode, mode in ((0o711, 0o600), (0o700, 0o400), (0o755, 0o644)):
        folder.chmod(folder_mode)
        (folder / NAME).chmod(mode)
        assert read_trusted(folder, NAME) == b"token\n"


def test_a_missing_file_is_none(folder: Path) -> None:
    assert read_trusted(folder, "none") is None
    assert read_trusted(folder / "none", NAME) is None
    assert read_trusted(folder / NAME, NAME) is None


@pytest.mark.parametrize("mode", [0o660, 0o606, 0o666, 0o777])
@pytest.mark.parametrize("name", [".", NAME])
def test_what_others_can_write_is_refused(folder: Path, name: str, mode: int) -> None:
    (folder / name).chmod(mode | stat.S_IXUSR)
    with pytest.raises(ConfigurationError, match=r"other users can write .* \(mode 0\d{3}\).*`chmod go-w "):
        read_trusted(folder, NAME)


@pytest.mark.parametrize("name", [".", NAME])
def test_what_belongs_to_another_user_is_refused_by_name(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = give_away(folder / name, monkeypatch)
    with pytest.raises(ConfigurationError, match=f"belongs to the user {owner}, expected you or root: .*--data-dir"):
        read_trusted(folder, NAME)


def test_files_of_root_are_read_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert read_trusted(Path("/etc"), "passwd")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files to another user")
def test_sudo_trusts_files_of_its_caller(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_away(folder, monkeypatch)
    monkeypatch.setenv("SUDO_UID", str(folder.stat().st_uid))
    assert read_trusted(folder, NAME) == b"token\n"
    monkeypatch.setenv("SUDO_UID", "1")
    with pytest.raises(ConfigurationError):
        read_trusted(folder, NAME)


def test_a_user_who_is_not_root_cannot_name_a_caller_to_trust(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = folder.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 12345)
    monkeypatch.setattr(trusted_files, "_ROOT", owner + 1)
    monkeypatch.setenv("SUDO_UID", str(owner))
    with pytest.raises(ConfigurationError, match="belongs to the user"):
        read_trusted(folder, NAME)


def test_a_pipe_does_not_block(folder: Path) -> None:
    os.mkfifo(folder / "pipe", 0o600)
    assert read_trusted(folder, "pipe") == b""


def test_a_link_is_judged_by_its_target(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    (folder / "link").symlink_to(tmp_path / "kept")
    assert read_trusted(folder, "link") == b"kept"
    (tmp_path / "kept").chmod(0o666)
    with pytest.raises(ConfigurationError, match="other users can write"):
        read_trusted(folder, "link")


def test_a_folder_is_checked_without_its_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_folder(folder)
    give_away(folder, monkeypatch)
    with pytest.raises(ConfigurationError, match="belongs to the user"):
        check_folder(folder)


def test_a_planted_folder_is_not_found_silently(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "lock").touch()
    write_run_file(folder, {"api_url": "http://127.0.0.1:9"})
    below = folder.parent / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_data_dir() == folder.resolve()
    assert read_run_file(folder)["api_url"] == "http://127.0.0.1:9"
    owner = give_away(folder, monkeypatch)
    for find in (find_data_dir, lambda: read_run_file(folder)):
        with pytest.raises(ConfigurationError, match=f"belongs to the user {owner}"):
            find()


@pytest.mark.parametrize("content", ["[]", '"x"', "7", '{"folder": ""}', '{"folder": null}'])
def test_a_run_file_without_the_identity_of_its_folder_is_not_believed(folder: Path, content: str) -> None:
    # A clone or an archive brings files that are ours, but it does not know the inode of a lock file.
    (folder / "run.json").write_text(content)
    assert read_run_file(folder) == {}


def test_a_proof_is_of_one_token_one_folder_and_one_address(folder: Path) -> None:
    (folder / "lock").touch()
    (other := folder.parent / "other").mkdir()
    (other / "lock").touch()
    proof = prove_token("token", folder, "http://127.0.0.1:1")
    assert proof == prove_token("token", folder, "http://127.0.0.1:1")
    assert "token" not in proof
    others = [
        prove_token("another", folder, "http://127.0.0.1:1"),
        prove_token("token", other, "http://127.0.0.1:1"),
        prove_token("token", folder, "http://127.0.0.1:2"),
    ]
    assert len({proof, *others}) == 4
