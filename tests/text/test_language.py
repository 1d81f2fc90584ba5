"""The language is the one asked for, else KABOOM_LANG's, else the locale's, in the order of POSIX."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kaboom.text.catalogue import choose_language

VARIABLES = ("KABOOM_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
ENGLISH, JAPANESE = "no Kaboom to talk to", "接続先のKaboomがありません"


@pytest.mark.parametrize(
    ("wanted", "environment", "language"),
    [
        ("ja", {}, "ja"),
        ("en", {"KABOOM_LANG": "ja"}, "en"),
        (None, {}, "en"),
        (None, {"KABOOM_LANG": "ja", "LC_ALL": "C", "LANG": "en_US.UTF-8"}, "ja"),
        (None, {"LC_ALL": "ja_JP.UTF-8", "LC_MESSAGES": "C", "LANG": "en_US.UTF-8"}, "ja"),
        (None, {"LC_ALL": "C", "LC_MESSAGES": "ja_JP.UTF-8", "LANG": "ja_JP.UTF-8"}, "en"),
        (None, {"LC_ALL": "POSIX", "LANG": "ja_JP.UTF-8"}, "en"),
        (None, {"LC_MESSAGES": "ja_JP.UTF-8", "LANG": "en_US.UTF-8"}, "ja"),
        (None, {"LC_MESSAGES": "en_US.UTF-8", "LANG": "ja_JP.UTF-8"}, "en"),
        (None, {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "ja_JP.UTF-8"}, "ja"),
        (None, {"LANG": "ja"}, "ja"),
        (None, {"LANG": "ja_JP.eucJP"}, "ja"),
        (None, {"LANG": "ja-JP"}, "ja"),
        (None, {"LANG": "C.UTF-8"}, "en"),
        (None, {"LANG": "de_DE.UTF-8"}, "en"),
        # Javanese and a typing error.
        (None, {"LANG": "jv_ID"}, "en"),
        (None, {"LANG": "jabberwocky"}, "en"),
    ],
)
def test_the_language_is_chosen_in_order(
    wanted: str | None, environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert choose_language(wanted) == language


@pytest.mark.parametrize(
    ("environment", "arguments", "words"),
    [
        ({"LC_MESSAGES": "ja_JP.UTF-8", "LANG": "en_US.UTF-8"}, (), JAPANESE),
        ({"LC_ALL": "C", "LC_MESSAGES": "ja_JP.UTF-8"}, (), ENGLISH),
        ({"LC_MESSAGES": "ja_JP.UTF-8"}, ("--lang", "en"), ENGLISH),
    ],
)
def test_a_process_speaks_the_language_of_its_locale(
    tmp_path: Path, environment: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KABOOM_", "LC_", "LANG"))}
    env = kept | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"} | environment
    argv = [sys.executable, "-m", "kaboom.cli.main", *arguments, "jobs", "list"]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 7
    assert words in done.stderr.decode()
