"""What `kaboom demo` prints for another terminal."""

import subprocess
import sys
from pathlib import Path

import pytest

from kaboom.cli.run import find_activation


def test_printed_command_finds_kaboom_in_a_new_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for folder in (Path(sys.prefix).parent, tmp_path):
        monkeypatch.chdir(folder)
        found = subprocess.run(
            ["/bin/sh", "-c", f"{find_activation()} && command -v kaboom"], capture_output=True, text=True, check=True
        )
        assert Path(found.stdout.strip()) == Path(sys.prefix, "bin/kaboom")


def test_printed_command_is_bare_where_kaboom_is_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.prefix, "bin")))
    assert find_activation() == ""
