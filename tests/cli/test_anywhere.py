"""`--lang`, `--json` and `--version` hold wherever they stand in the line."""

import pytest

from kaboom.cli.main import move_to_front
from tests.fixtures.cli import Kaboom


@pytest.mark.parametrize(
    ("given", "moved"),
    [
        (["jobs", "list", "--lang", "ja"], ["--lang", "ja", "jobs", "list"]),
        (["jobs", "--json", "list"], ["--json", "jobs", "list"]),
        (["jobs", "list", "--lang=ja", "--json"], ["--lang=ja", "--json", "jobs", "list"]),
        (["jobs", "list", "--lang"], ["--lang", "jobs", "list"]),
        (["--json", "jobs", "show", "--", "--lang"], ["--json", "jobs", "show", "--", "--lang"]),
        (["worker", "--json"], ["worker", "--json"]),
        ([], []),
    ],
)
def test_options_of_every_command_are_moved_to_the_front(given: list[str], moved: list[str]) -> None:
    assert move_to_front(given) == moved


@pytest.mark.parametrize("arguments", [["jobs", "list", "--lang", "ja"], ["jobs", "--lang=ja", "list"]], ids=" ".join)
def test_the_language_is_taken_from_anywhere(kaboom: Kaboom, arguments: list[str]) -> None:
    assert "接続先のKaboomがありません" in kaboom(*arguments).err


def test_the_version_is_printed(kaboom: Kaboom) -> None:
    done = kaboom("--version")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("kaboom 0.")
