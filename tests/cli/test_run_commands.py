"""What `kaboom up` and `kaboom demo` ask, say and end with, around the stack that they start."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from kaboom.cli import run
from kaboom.cli.exits import Exit
from kaboom.cli.run import find_activation
from kaboom.cli.session import Session
from kaboom.cli.stack.whole import StackOptions
from kaboom.errors import ConfigurationError
from tests.cli.test_transcripts import plan_of
from tests.fixtures.cli import Kaboom
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.example_api import ExampleApi, example_api


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


JOB = "dc84d88371794773b929d2957f6a663b"


@pytest.fixture
def stackless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExampleApi]:
    """An API of examples where `up` and `demo` would start theirs; the demo's days are partial, all else completes."""
    stopped = Event()
    stopped.set()

    @contextmanager
    def running(options: StackOptions, _session: Session, _code: Exit = Exit.OK) -> Iterator[Any]:
        yield SimpleNamespace(api_url=api.url, data_dir=options.data_dir), stopped

    (tmp_path / "api").mkdir()
    with example_api(tmp_path / "api") as api:
        monkeypatch.setattr(run, "_running", running)
        monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
        api.planned[:] = [plan_of(f"< GET /api/v1/ingest/jobs/{JOB} @ingest.run_daily completed")]
        yield api


@pytest.mark.parametrize(
    ("days", "options", "code"), [("completed", ("--exit",), 0), ("partial", ("--exit",), 8), ("partial", (), 0)]
)
def test_the_demo_ingests_minutes_of_all_and_a_year_of_three(
    kaboom: Kaboom, stackless: ExampleApi, days: str, options: tuple[str, ...], code: int
) -> None:
    path = f"/api/v1/ingest/jobs/{JOB}"
    stackless.planned += [plan_of(f"< GET {path} @ingest.run_daily {days}")]
    if days == "completed":
        stackless.planned[1:] = [plan_of(f"< GET {path} @ingest.run_daily completed")]
    done = kaboom("demo", "--port", "8123", "--data-dir", "d", *options)
    assert done.code == code, done.err
    assert [line for line in stackless.asked if line.startswith("POST")] == [
        'POST /api/v1/ingest/run-daily {"intervals":{"1m":1},"market":"TSE_PRIME","chunk_size":500}',
        'POST /api/v1/ingest/run-daily {"intervals":{"1d":250},"symbols":["6758","7203","9984"]}',
    ]
    assert ("GET /api/v1/users" in stackless.asked) == (not options)
    said = [f"job {JOB} accepted", f"dashboard: {stackless.url}/jobs/ingest/{JOB}"]
    lines = done.err.splitlines()
    assert [line in lines for line in said] == [True, True], lines
    assert done.out.startswith(f"COMPLETED  job {JOB}")


def test_up_says_where_it_is(kaboom: Kaboom, stackless: ExampleApi) -> None:
    done = kaboom("up", "--data-dir", "d")
    assert (done.code, stackless.asked) == (0, ["GET /api/v1/users"])
    assert done.err.splitlines() == [
        f"Kaboom is ready on {stackless.url}  (data: d, stop: Ctrl-C)", f"dashboard: {stackless.url}"
    ]  # fmt: skip


@pytest.mark.parametrize(("is_up", "is_stopped", "code"), [(True, True, 0), (False, True, 130), (False, False, None)])
def test_a_start_that_a_signal_ends_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_up: bool,
    is_stopped: bool,
    code: int | None,
) -> None:
    calls: list[str] = []

    class Started:
        def __init__(self, _options: object, _session: object, stopped: Event) -> None:
            self.stopped = stopped

        def start(self) -> None:
            calls.append("start")
            if is_stopped:
                self.stopped.set()
            if not is_up:
                raise ConfigurationError("initdb was interrupted")

        def stop(self) -> None:
            calls.append("stop")

    monkeypatch.setattr(run, "Stack", Started)
    monkeypatch.setattr(run, "_stop_on_signals", Event)
    monkeypatch.setattr(run, "drop_unwritable_output", lambda: None)
    options = StackOptions(Path("d"), port=1)
    caught: int | None = 0
    try:
        with run._running(options, Session(language="en"), Exit.INTERRUPTED):
            calls.append("yield")
    except typer.Exit as e:
        caught = e.exit_code
    except ConfigurationError:
        caught = None
    assert caught == code
    assert calls == ["start", *(["yield"] if is_up else []), "stop"]
    assert ("stopped" in capsys.readouterr().err) == (is_up or is_stopped)
