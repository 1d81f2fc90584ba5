"""Following a job: a line for each change, what it waits for, and Ctrl-C."""

import signal
import subprocess
import sys
from typing import Any

import orjson
import pytest

from kaboom.cli.exits import Exit
from kaboom.cli.output import watch
from tests.fixtures.cli import Kaboom, Scripted
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.http_servers import Response, serving
from tests.fixtures.servers.stacks import clean_environment

ID = "a" * 32
PROGRESS = {"done": 0, "failed": 0, "total": 0, "cancelled": 0, "rows": 0, "rate": None, "eta_s": None}
JOB: dict[str, Any] = {
    "job_id": ID, "queue": "backtest", "task": "backtest.run", "status": "running", "requested_at": None,
    "completed_at": None, "progress": PROGRESS, "result": None, "error": None,
}  # fmt: skip
READY = {"parts": {}, "workers_online": 1}


def script(scripted: Scripted, *answers: dict[str, Any]) -> None:
    scripted.answers += [(200, orjson.dumps(answer)) for answer in answers]


def log_of(*events: str) -> dict[str, Any]:
    return {"items": [{"event": event} for event in events], "after": "1-0", "has_more": False}


def test_a_job_that_does_not_change_is_one_line(
    kaboom: Kaboom, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_POLL_S", 0.0)
    monkeypatch.setattr(watch, "_LINE_S", 0.0)
    moved = JOB | {"progress": PROGRESS | {"total": 2, "done": 1, "eta_s": 2.0}}
    still = [JOB | {"progress": PROGRESS | {"rate": n / 7, "eta_s": float(n)}} for n in range(60)]
    script(scripted, JOB | {"status": "queued"}, *still, *[moved] * 5, JOB | {"status": "completed"})
    err = kaboom("jobs", "watch", ID).err.splitlines()
    assert [line.split()[0] for line in err[:4]] == ["queued", "running", "running", "completed"]


def test_a_backtest_that_waits_for_the_compiler_says_so(
    kaboom: Kaboom, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_POLL_S", 0.0)
    monkeypatch.setattr(watch, "_STILL_S", 0.0)
    begun, done = log_of("chunk_started", "kernel_compiling"), log_of("kernel_compiled")
    script(scripted, JOB, JOB, READY, begun, JOB, READY, log_of(), JOB, READY, done, JOB | {"status": "completed"})
    found = kaboom("jobs", "watch", ID)
    assert [line.split()[0] for line in found.err.splitlines()[:4]] == ["running", "running", "running", "completed"]
    assert [("compiles the fill model" in line) for line in found.err.splitlines()[:4]] == [False, True, False, False]
    # Each question goes on after the lines that were read.
    asked = [path.partition("?")[2] for path, *_ in scripted.seen if "/logs" in path]
    assert asked == ["level=info", "level=info&after=1-0", "level=info&after=1-0"]


def test_only_a_backtest_is_asked_for_its_log(
    kaboom: Kaboom, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_POLL_S", 0.0)
    monkeypatch.setattr(watch, "_STILL_S", 0.0)
    ingest = JOB | {"queue": "ingest", "task": "ingest.run_daily"}
    script(scripted, ingest, ingest, READY, ingest | {"status": "completed"})
    kaboom("jobs", "watch", ID)
    assert not [path for path, *_ in scripted.seen if "/logs" in path]


@pytest.mark.parametrize(
    "command", [("jobs", "watch", ID), ("backtest", "run", "sma_cross", "--symbol", "7203", "--wait")]
)
def test_an_interrupt_detaches_from_the_job_and_ends_with_130(command: tuple[str, ...]) -> None:
    # A shell without job control has its background commands ignore SIGINT, and so would this one.
    code = (
        "import signal, sys; from kaboom.cli.main import run_cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(run_cli())"
    )
    with serving(lambda _: Response(200, orjson.dumps(JOB))) as url:
        environment = clean_environment(KABOOM_LANG="en", KABOOM_API_URL=url, INGEST_API_TOKEN=TOKEN)
        with subprocess.Popen(
            [sys.executable, "-c", code, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            next(line for line in process.stderr if line.startswith("running"))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (Exit.INTERRUPTED, "")
    assert f"kaboom jobs watch {ID}" in err
    assert "Traceback" not in err
