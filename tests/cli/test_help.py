"""Every command explains itself, and a wrong call ends with 2 and a word on what is right."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from kaboom.cli.index import INDEX
from kaboom.cli.main import load_command
from tests.fixtures.cli import Kaboom


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


COMMANDS = [(), *(path for name in INDEX for path in commands(load_command(name), (name,)))]


def test_the_commands_of_the_contract_are_there() -> None:
    promised = {
        ("up",), ("demo",), ("worker",), ("doctor",), ("coverage",), ("openapi",), ("ingest", "run-daily"),
        ("smoke",), ("migrate",),
        ("jobs", "list"), ("jobs", "show"), ("jobs", "watch"), ("jobs", "cancel"), ("jobs", "retry"),
        ("bars", "show"), ("symbols", "import"), ("config", "show"),
        ("schedules", "list"), ("schedules", "add"), ("schedules", "enable"), ("schedules", "run"),
        ("actions", "list"), ("actions", "confirm"), ("actions", "reject"), ("actions", "add"),
        ("webhooks", "list"), ("webhooks", "show"), ("webhooks", "replay"),
    }  # fmt: skip
    assert promised <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_explains_a_command(kaboom: Kaboom, path: tuple[str, ...]) -> None:
    done = kaboom(*path, "--help")
    assert done.code == 0
    assert f"Usage: {' '.join(('kaboom', *path))}" in done.out
    assert "\x1b" not in done.out
    assert done.err == ""


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the names of commands, and the commands."""
    children = getattr(command, "commands", {})
    if not children:
        yield " ".join(path), command
    for name, child in children.items():
        yield from leaves(child, (*path, name))


def test_switches_are_off_until_they_are_given_but_two() -> None:
    found = [leaf for name in INDEX for leaf in leaves(load_command(name), (name,))]
    switches = {
        (name, each.name): each.default for name, command in found for each in command.params if is_switch(each)
    }
    assert len(switches) > 80
    assert {name for name, default in switches.items() if default} == {
        ("ai analyse", "wait"),
        ("bars repair", "backfill"),
    }
    assert ("backup", "json") in switches


def is_switch(parameter: Any) -> bool:
    return bool(getattr(parameter, "is_flag", False)) and not parameter.is_eager


@pytest.mark.parametrize("language", ["en", "ja"])
def test_help_has_no_boxes(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    # Their lines are one or two columns wide on a Japanese terminal.
    monkeypatch.setenv("KABOOM_LANG", language)
    assert "\N{BOX DRAWINGS LIGHT HORIZONTAL}" not in kaboom("jobs", "--help").out


def test_help_names_the_environment(kaboom: Kaboom) -> None:
    # Square brackets would be read as markup, and vanish.
    assert "(env: KABOOM_DATA_DIR)" in kaboom("--help").out


@pytest.mark.parametrize("path", [(), ("jobs",), ("ingest",), ("bars",)], ids=str)
def test_a_group_without_a_command_shows_its_commands(kaboom: Kaboom, path: tuple[str, ...]) -> None:
    done = kaboom(*path)
    assert (done.code, done.out) == (2, "")
    assert ("Commands:" if path else "Operate:") in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["launch"], "No such command 'launch'"),
        (["portfolios"], "No such command 'portfolios'. Did you mean 'portfolio'?"),
        # Names that help does not list, such as `ai-analysis`, are not suggested.
        (["analyse"], "No such command 'analyse'.\n"),
        (["ai-analyse"], "No such command 'ai-analyse'.\n"),
        (["jobs", "show"], "Missing argument 'job_id'"),
        (["jobs", "list", "--limit", "0"], "Invalid value for '--limit'"),
        (["jobs", "list", "--limit", "many"], "Invalid value for '--limit'"),
        (["jobs", "list", "--page", "2"], "No such option"),
        (["up", "--port", "0"], "Invalid value for '--port'"),
        (["up", "--workers", "0"], "Invalid value for '--workers'"),
        (["ingest", "run-daily", "--interval", "1m"], "--interval was '1m', expected LENGTH=NUMBER such as 1m=1"),
        (["ingest", "run-daily", "--interval", "1m=-1"], "--interval was '1m=-1'"),
        (["ingest", "run-daily", "--interval", "1m=x"], "--interval was '1m=x'"),
        (["bars", "show", "7203", "--interval", "7x"], "interval was '7x', supported are"),
        (["bars", "show", "7203", "--session", "yesterday"], "--session was 'yesterday', expected YYYY-MM-DD"),
    ],
)
def test_a_wrong_command_line_exits_with_2(kaboom: Kaboom, arguments: list[str], message: str) -> None:
    done = kaboom(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_every_command_is_listed_in_a_section_but_the_old_names(kaboom: Kaboom) -> None:
    sections = re.split(r"^([A-Z][a-z]+):$", kaboom("--help").out.partition("--help")[2], flags=re.MULTILINE)
    listed = {
        name: heading for heading, text in zip(sections[1::2], sections[2::2], strict=True)
        for name in re.findall(r"^  ([a-z][a-z-]*)", text, flags=re.MULTILINE)
    }  # fmt: skip
    assert listed.keys() == INDEX.keys() - {"ai-analysis", "notifications", "dev"}
    places = {name: listed[name] for name in ("ingest", "market-data", "backtest", "doctor")}
    assert places == {"ingest": "Run", "market-data": "Data", "backtest": "Research", "doctor": "Operate"}
