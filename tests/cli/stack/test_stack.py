"""What `kaboom up` hands its children: secrets that are sound, and no deployment's."""

import os
from pathlib import Path

import pytest

from kaboom.cli.session import Session
from kaboom.cli.stack.data_folder import hold_lock
from kaboom.cli.stack.whole import Stack, StackOptions
from kaboom.drivers.embedded.run_file import read_run_file, write_run_file
from kaboom.drivers.embedded.servers import free_port
from kaboom.errors import ConfigurationError
from tests.fixtures.servers.owners import give_away


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(StackOptions(tmp_path / "data", port=free_port()), Session(language="en"))


def test_an_odd_token_is_refused_before_anything_starts(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", "hush")
    with pytest.raises(ConfigurationError, match="token 1 of 1 was not 16 or more"):
        stack.start()
    stack.stop()
    assert sorted(path.name for path in stack.data_dir.iterdir()) == ["lock", "logs"]


def test_several_tokens_of_the_file_are_all_handed_on(stack: Stack) -> None:
    stack.data_dir.mkdir()
    (stack.data_dir / "ingest-token").write_text("a-new-token-of-the-tests an-old-token-of-the-tests\n")
    assert stack._load_secrets()["INGEST_API_TOKEN"] == "a-new-token-of-the-tests an-old-token-of-the-tests"


def test_a_folder_of_another_user_is_not_started(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.data_dir.mkdir()
    owner = give_away(stack.data_dir, monkeypatch)
    with pytest.raises(ConfigurationError, match=f"belongs to the user {owner}"):
        stack.start()
    stack.stop()
    assert list(stack.data_dir.iterdir()) == []


@pytest.mark.parametrize("name", ["ingest-token", "webhook-secret", "notification-key"])
def test_a_secret_that_another_user_wrote_is_refused(stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.data_dir.mkdir()
    (stack.data_dir / name).write_text("known-to-another-user-of-the-machine\n")
    give_away(stack.data_dir / name, monkeypatch)
    with pytest.raises(ConfigurationError, match=f"{name} belongs to the user"):
        stack._load_secrets()


def test_what_runs_here_asks_no_secret_manager(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_SECRET_PROJECT", "a-deployments")
    assert stack._environment()["KABOOM_SECRET_PROJECT"] == ""


@pytest.mark.parametrize("is_own", [True, False])
def test_a_stop_deletes_its_own_run_file_alone(stack: Stack, *, is_own: bool) -> None:
    stack.data_dir.mkdir()
    stack._lock = hold_lock(stack.data_dir, Session(language="en"))
    # A folder that was moved here has the file of the Kaboom that still runs on it.
    write_run_file(stack.data_dir, {"pid": os.getpid() if is_own else os.getppid()})
    assert read_run_file(stack.data_dir)
    stack.stop()
    assert (stack.data_dir / "run.json").exists() == (not is_own)
