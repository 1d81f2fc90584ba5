"""The shell offers values: of options with a list of them, and ids that a server tells. Nothing heavy is loaded."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from kaboom.portfolio.views import PortfolioView
from kaboom.providers.registry import provider_names
from kaboom.schedules.schemas import ScheduleView
from kaboom.web.routers import example_of
from tests.cli.test_imports import HEAVY
from tests.fixtures.cli import Scripted
from tests.fixtures.jobs.apps import TOKEN

IDS = ["a89cd6c638dd47fd983ab7f10329a780", "b89cd6c638dd47fd983ab7f10329a780"]


def complete(folder: Path, line: str, env: Mapping[str, str]) -> tuple[list[str], set[str]]:
    """Return what Bash is offered at the end of a line, and the modules that were loaded for it."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_KABOOM_COMPLETE": "complete_bash"}
    argv = [
        sys.executable,
        "-X",
        "importtime",
        "-c",
        "import sys; from kaboom.cli.main import run_cli; sys.exit(run_cli())",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **asked, **env}
    done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE))
    return done.stdout.split(), loaded


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kaboom bars show 7203 --interval 1", ["1m", "15m", "1h", "1d"]),
        ("kaboom bars quarantine --source s", ["synthetic"]),
        ("kaboom ingest run-daily --provider ", list(provider_names())),
        ("kaboom ingest backfill --market TSE_P", ["TSE_PRIME"]),
        ("kaboom coverage --market F", ["FILE"]),
        ("kaboom backtest run b", ["breakout", "buy_and_hold"]),
        ("kaboom schedules add --task market_data.m", ["market_data.mirror"]),
        ("kaboom schedules add --task ingest.", ["ingest.run_daily"]),
        ("kaboom jobs list --status c", ["cancelling", "completed", "cancelled"]),
        ("kaboom webhooks list --status ", ["waiting", "pending", "delivered", "dead"]),
        ("kaboom notify log --status d", ["delivered", "dead"]),
        ("kaboom jobs show ", []),
        ("kaboom schedules show ", []),
    ],
)
def test_values_are_offered_from_light_modules(tmp_path: Path, line: str, offered: list[str]) -> None:
    found, loaded = complete(tmp_path, line, {"KABOOM_DATA_DIR": str(tmp_path), "KABOOM_API_URL": ""})
    assert found == offered
    assert "typer" in loaded
    assert loaded.isdisjoint({*HEAVY, "httpx2"})


def test_ids_of_the_newest_jobs_are_offered(scripted: Scripted, tmp_path: Path) -> None:
    scripted.answers.append((200, orjson.dumps({"items": [{"job_id": job} for job in IDS], "next_cursor": None})))
    env = {"KABOOM_API_URL": scripted.url, "INGEST_API_TOKEN": TOKEN}
    found, loaded = complete(tmp_path, "kaboom jobs cancel b", env)
    assert found == IDS[1:]
    assert loaded.isdisjoint({*HEAVY, "httpx2"})
    assert scripted.seen[0][:2] == ("/api/v1/jobs?limit=20", TOKEN)


@pytest.mark.parametrize(
    ("line", "path", "offered"),
    [
        ("kaboom schedules run ", "schedules", [*IDS, "evening"]),
        ("kaboom schedules disable e", "schedules", ["evening"]),
        ("kaboom portfolio show a", "portfolios", [IDS[0]]),
        ("kaboom portfolio trade ", "portfolios", [*IDS, "evening"]),
        ("kaboom ai analyse 7203 --portfolio ", "portfolios", IDS),
    ],
)
def test_ids_and_names_of_one_word_are_offered(
    scripted: Scripted, tmp_path: Path, line: str, path: str, offered: list[str]
) -> None:
    names = ("daily ingest", "evening")
    example, key = {
        "schedules": (example_of(ScheduleView), "schedule_id"),
        "portfolios": (example_of(PortfolioView), "id"),
    }[path]
    assert key in example
    items = [example | {key: each, "name": name} for each, name in zip(IDS, names, strict=True)]
    scripted.answers.append((200, orjson.dumps({"items": items})))
    found, loaded = complete(tmp_path, line, {"KABOOM_API_URL": scripted.url, "INGEST_API_TOKEN": TOKEN})
    assert found == offered
    assert loaded.isdisjoint({*HEAVY, "httpx2"})
    assert scripted.seen[0][:2] == (f"/api/v1/{path}", TOKEN)


@pytest.mark.parametrize("answer", [(401, b"{}"), (200, b"<html>"), (200, b"{}"), (200, b'{"items":[{}]}')])
def test_a_server_that_refuses_offers_nothing(scripted: Scripted, tmp_path: Path, answer: tuple[int, bytes]) -> None:
    scripted.answers.append(answer)
    env = {"KABOOM_API_URL": scripted.url, "INGEST_API_TOKEN": TOKEN}
    assert complete(tmp_path, "kaboom jobs show ", env)[0] == []


def test_a_url_that_is_no_web_address_is_not_opened(tmp_path: Path) -> None:
    answer = tmp_path / "api" / "v1" / "jobs?limit=20"
    answer.parent.mkdir(parents=True)
    answer.write_bytes(orjson.dumps({"items": [{"job_id": job} for job in IDS]}))
    env = {"KABOOM_API_URL": tmp_path.as_uri(), "INGEST_API_TOKEN": TOKEN}
    assert complete(tmp_path, "kaboom jobs show ", env)[0] == []


def test_no_server_is_asked_without_a_token(scripted: Scripted, tmp_path: Path) -> None:
    scripted.answers.append((200, orjson.dumps({"items": [{"job_id": job} for job in IDS]})))
    env = {"KABOOM_API_URL": scripted.url, "INGEST_API_TOKEN": "", "KABOOM_DATA_DIR": str(tmp_path)}
    assert complete(tmp_path, "kaboom jobs show ", env)[0] == []
    assert scripted.seen == []


def test_the_function_that_bash_installs_offers_values(tmp_path: Path) -> None:
    command = tmp_path / "kaboom"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m kaboom.cli.main "$@"\n')
    command.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path), "KABOOM_DATA_DIR": str(tmp_path)}
    script = """
        eval "$(_KABOOM_COMPLETE=source_bash kaboom)"
        COMP_WORDS=(kaboom bars show --interval 1) COMP_CWORD=4
        _kaboom_completion kaboom
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1m", "15m", "1h", "1d"], done.stderr


def test_zsh_gets_the_same_values(tmp_path: Path) -> None:
    asked = {"_TYPER_COMPLETE_ARGS": "kaboom bars show --interval 1", "_KABOOM_COMPLETE": "complete_zsh"}
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **asked}
    argv = [sys.executable, "-m", "kaboom.cli.main"]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.findall(r'"(\w+)"', done.stdout) == ["1m", "15m", "1h", "1d"]
