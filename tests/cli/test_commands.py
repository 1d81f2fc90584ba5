"""The commands against a real API, and on the bars that its jobs left."""

import os
import pty
import re
import subprocess
import sys
from typing import Any, cast

import pytest

from kaboom.cli.exits import Exit
from tests.fixtures.cli import Done, Kaboom, Scripted
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.stacks import Api

SMALL = ("ingest", "run-daily", "--session", "2025-11-04", "--symbol", "7203", "--symbol", "6758")
UNKNOWN = "a" * 32


def data(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    return cast("dict[str, Any]", done.json)


@pytest.fixture
def finished(at_live: Kaboom) -> str:
    """The id of a job that has completed."""
    return str(data(at_live("--json", *SMALL, "--wait"))["job_id"])


def test_a_submission_prints_its_id_and_how_to_follow(at_live: Kaboom) -> None:
    done = at_live(*SMALL, "--dry-run")
    assert done.code == 0
    found = re.fullmatch(r"([0-9a-f]{32})  queued\n", done.out)
    assert found
    assert f"kaboom jobs watch {found[1]}" in done.err


def test_indices_are_ingested_by_day_by_default(at_live: Kaboom) -> None:
    job = data(at_live("ingest", "run-daily", "--market", "INDEX", "--wait", "--json"))
    assert (job["status"], job["intervals"], job["progress"]["done"]) == ("completed", {"1d": 1}, 4)
    quotes = data(at_live("market-data", "refresh-quotes", "--market", "INDEX", "--wait", "--json"))
    assert (quotes["status"], quotes["intervals"]) == ("completed", {"1d": 1})
    minutes = at_live("ingest", "run-daily", "--market", "INDEX", "--interval", "1m=1")
    assert (minutes.code, "market INDEX has only daily bars: 1d" in minutes.err) == (Exit.USAGE, True)


def test_a_submission_as_json_is_the_answer_itself(at_live: Kaboom) -> None:
    accepted = data(at_live(*SMALL, "--dry-run", "--json"))
    assert list(accepted) == ["job_id", "status"]


def test_a_waited_job_is_summed_up(at_live: Kaboom) -> None:
    done = at_live(*SMALL, "--wait")
    assert done.code == 0
    assert done.out.startswith("COMPLETED  job ")
    assert "generated, not market data" in done.out
    assert re.search(r"^ok +2 +bars written", done.out, re.MULTILINE)
    assert "2 asked for (symbols of 1m), 2 outcomes: every one is accounted for" in done.out
    assert "kaboom bars show 7203" in done.err


def test_waiting_ends_in_time_and_the_job_goes_on(at_live: Kaboom) -> None:
    everything = ("ingest", "run-daily", "--interval", "1m=3", "--session", "2025-11-04")
    done = at_live(*everything, "--wait", "--timeout", "0")
    assert done.code == Exit.TIMED_OUT
    found = re.search(r"the job goes on: kaboom jobs watch ([0-9a-f]{32})", done.err)
    assert found
    assert at_live("jobs", "cancel", found[1], "--reason", "took too long").code == 0
    assert at_live("jobs", "watch", found[1]).code == Exit.JOB_FAILED
    assert re.search(r'cancel_asked .*reason="took too long"', at_live("jobs", "logs", found[1], "--follow").out)
    assert data(at_live("jobs", "show", found[1], "--json"))["status"] == "cancelled"


def start(at_live: Kaboom, session: str) -> str:
    """Return the id of a job that takes a while."""
    return str(data(at_live("ingest", "run-daily", "--interval", "1m=3", "--session", session, "--json"))["job_id"])


def test_several_jobs_are_cancelled_and_retried_in_one_call(at_live: Kaboom, finished: str) -> None:
    jobs = [start(at_live, session) for session in ("2025-10-30", "2025-10-31")]
    done = at_live("jobs", "cancel", jobs[0], UNKNOWN, finished, jobs[1], jobs[0])
    assert [line.split()[0] for line in done.out.splitlines()] == jobs
    assert [line[:33] for line in done.err.splitlines() if line[32:33] == ":"] == [f"{UNKNOWN}:", f"{finished}:"]
    assert done.code == Exit.NOT_FOUND, "that of the first job that was refused"
    for job in jobs:
        at_live("jobs", "watch", job)
    done = at_live("jobs", "retry", *jobs)
    assert done.code == Exit.OK
    again = [line.split()[0] for line in done.out.splitlines()]
    said = [f"job {job} runs again as {new}" for job, new in zip(jobs, again, strict=True)]
    assert done.err.splitlines() == said
    for job in again:
        at_live("jobs", "watch", job)


def test_each_retry_is_waited_for(at_live: Kaboom, finished: str) -> None:
    job = start(at_live, "2025-10-29")
    assert at_live("jobs", "cancel", job).code == Exit.OK
    at_live("jobs", "watch", job)
    done = at_live("jobs", "retry", finished, job, "--wait")
    assert (done.code, done.out.count("COMPLETED  job ")) == (Exit.CONFLICT, 1)


def test_jobs_are_listed(at_live: Kaboom, finished: str) -> None:
    done = at_live("jobs", "list", "--limit", "1")
    assert re.search(rf"^{finished} +completed +TSE_PRIME", done.out, re.MULTILINE)
    page = data(at_live("jobs", "list", "--queue", "ingest", "--status", "completed", "--limit", "1", "--json"))
    assert [job["job_id"] for job in page["items"]] == [finished]
    cursor = ("--cursor", str(page["next_cursor"]))
    older = data(at_live("jobs", "list", "--queue", "ingest", "--status", "completed", *cursor, "--json"))
    assert finished not in [job["job_id"] for job in older["items"]]


def test_jobs_of_all_queues_are_one_list_with_one_cursor(at_live: Kaboom, finished: str) -> None:
    made = data(at_live("market-data", "compact", "--dry-run", "--wait", "--json"))["job_id"]
    first = data(at_live("jobs", "list", "--limit", "1", "--json"))
    assert [job["job_id"] for job in first["items"]] == [made]
    page = data(at_live("jobs", "list", "--limit", "1", "--cursor", str(first["next_cursor"]), "--json"))
    assert [job["job_id"] for job in page["items"]] == [finished]
    of_one = data(at_live("jobs", "list", "--queue", "market_data", "--limit", "1", "--json"))
    assert [job["job_id"] for job in of_one["items"]] == [made]


@pytest.mark.parametrize("filters", [(), ("--status", "failed")])
def test_no_jobs_say_how_to_get_one(kaboom: Kaboom, scripted: Scripted, filters: tuple[str, ...]) -> None:
    scripted.answers.append((200, b'{"items": [], "next_cursor": null}'))
    done = kaboom("jobs", "list", *filters)
    assert (done.code, done.out) == (0, "")
    assert "no jobs yet; submit one: kaboom ingest run-daily --wait" in done.err


@pytest.mark.usefixtures("finished")
def test_no_failed_job_beside_others_is_not_called_no_job(at_live: Kaboom) -> None:
    done = at_live("jobs", "list", "--status", "failed")
    assert (done.code, done.out) == (0, "")
    assert done.err == "no job is in this state or queue; for all jobs: kaboom jobs list\n"


def test_a_job_is_shown(at_live: Kaboom, finished: str) -> None:
    assert f"COMPLETED  job {finished}" in at_live("jobs", "show", finished).out
    assert data(at_live("jobs", "show", finished, "--json"))["progress"]["percent"] == 100.0


def test_jobs_are_searched(at_live: Kaboom, finished: str) -> None:
    for words in (finished[:12], "7203 prime"):
        page = data(at_live("jobs", "list", "--q", words, "--json"))
        assert finished in [job["job_id"] for job in page["items"]]
    done = at_live("jobs", "list", "--q", "nowhere")
    assert (done.code, done.out) == (0, "")
    assert "nowhere" in done.err


def test_a_log_is_followed_to_the_end_of_its_job(at_live: Kaboom, finished: str) -> None:
    followed = at_live("jobs", "logs", finished, "--follow")
    assert followed.code == 0
    line = r"^2\d{3}-\d\d-\d\d [\d:.]{12} JST  info     chunk_done +done=2 failed=0"
    assert re.search(line, followed.out, re.MULTILINE)
    assert "job_finished" in followed.out.splitlines()[-1]
    assert "job_submitted" in followed.out.splitlines()[0]
    assert at_live("jobs", "logs", finished).out == followed.out
    empty = at_live("jobs", "logs", finished, "--level", "error")
    assert (empty.code, empty.out) == (0, "")
    assert "no line at level error or above" in empty.err


@pytest.mark.parametrize("command", ["show", "watch", "logs", "cancel", "retry", "delete"])
def test_an_unknown_job_ends_with_4(at_live: Kaboom, command: str) -> None:
    done = at_live("jobs", command, UNKNOWN)
    assert (done.code, done.out) == (Exit.NOT_FOUND, "")
    assert f"job {UNKNOWN} does not exist in any queue" in done.err


@pytest.mark.parametrize("command", ["cancel", "retry"])
def test_what_the_state_forbids_ends_with_5(at_live: Kaboom, finished: str, command: str) -> None:
    assert at_live("jobs", command, finished).code == Exit.CONFLICT


def test_a_finished_job_is_deleted(at_live: Kaboom, finished: str) -> None:
    assert data(at_live("jobs", "delete", finished, "--json")) == {"job_id": finished, "status": "deleted"}
    assert at_live("jobs", "show", finished).code == Exit.NOT_FOUND


def test_a_wrong_token_ends_with_3(at_live: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", "wrong")
    assert at_live("jobs", "list").code == Exit.AUTH


def test_what_the_server_refuses_ends_with_2(at_live: Kaboom) -> None:
    done = at_live("ingest", "run-daily", "--interval", "7x=1")
    assert done.code == Exit.USAGE
    assert "supported are 1m, 5m, 15m, 1h, 1d" in done.err


def test_bars_are_shown(at_live: Kaboom, finished: str) -> None:
    shown = data(at_live("bars", "show", "7203", "--json"))
    assert shown["source"] == "synthetic"
    assert {"opened_at", "open", "high", "low", "close", "volume"} <= set(shown["bars"][0])
    done = at_live("bars", "show", "7203", "--session", "2025-11-04")
    assert "2025-11-04 09:00" in done.out
    assert "more: --all" in done.out
    whole = at_live("bars", "show", "7203", "--all").out
    assert len(whole.splitlines()) > len(shown["bars"])
    assert at_live("bars", "show", "9999").code == Exit.NOT_FOUND
    assert at_live("bars", "show", "7203", "--interval", "1h").code == Exit.NOT_FOUND


def test_the_api_shows_the_same_bars(live: Api, at_live: Kaboom, finished: str) -> None:
    shown = data(at_live("bars", "show", "7203", "--session", "2025-11-04", "--json"))["bars"]
    page = live.http.get("/api/v1/bars/7203", params={"start": "2025-11-04", "end": "2025-11-05"}).json()
    assert [(bar["close"], bar["volume"]) for bar in page["items"]] == [(bar["close"], bar["volume"]) for bar in shown]
    assert len(shown) > 200


def test_coverage_is_shown(at_live: Kaboom, finished: str) -> None:
    covered = data(at_live("coverage", "--days", "20000", "--json"))
    sessions = {(row["symbol"], row["session"]) for row in covered["coverage"]}
    taken = {("7203", "2025-11-04"), ("6758", "2025-11-04")}
    assert taken <= sessions
    # Other tests of this file take other sessions, so the market as a whole may have gaps: these two have none.
    assert not taken & {(row["symbol"], row["session"]) for row in covered["gaps"]}
    shown = at_live("coverage", "--days", "20000").out
    assert re.search(r"^20\d\d-\d\d-\d\d +[a-z]+ +[\d,]+ +[\d,]+ +", shown, re.MULTILINE)


def test_doctor_finds_the_store_sound_and_the_servers_missing(at_live: Kaboom, finished: str) -> None:
    done = at_live("doctor", "--json")
    verdicts = {finding["part"]: finding["verdict"] for finding in cast("list[dict[str, str]]", done.json)}
    assert (verdicts["python"], verdicts["api"], verdicts["bar store"]) == ("ok", "ok", "ok")
    # The API keeps jobs in its memory; doctor, in another process, has no Redis to ask.
    assert verdicts["settings"] == "fault"
    assert done.code == Exit.JOB_FAILED


@pytest.mark.parametrize(("language", "words"), [("en", "personal use"), ("ja", "個人利用")])
def test_the_terms_of_a_provider_are_said_where_it_is_named(at_live: Kaboom, language: str, words: str) -> None:
    done = at_live("--lang", language, *SMALL, "--provider", "yahoo")
    assert done.code == Exit.USAGE
    assert words in done.err
    assert "YAHOO_ENABLED" in done.err


@pytest.mark.parametrize(
    ("enabled", "verdict", "words"), [("true", "ok", "personal use"), ("", "fault", "YAHOO_ENABLED")]
)
def test_doctor_tells_the_provider_and_its_terms(
    at_live: Kaboom, monkeypatch: pytest.MonkeyPatch, enabled: str, verdict: str, words: str
) -> None:
    monkeypatch.setenv("KABOOM_PROVIDER", "yahoo")
    monkeypatch.setenv("YAHOO_ENABLED", enabled)
    findings = cast("list[dict[str, str]]", at_live("doctor", "--json").json)
    (found,) = [finding for finding in findings if finding["part"].startswith("provider")]
    assert (found["part"], found["verdict"]) == ("provider yahoo", verdict)
    assert words in found["detail"]


def test_no_terminal_means_no_escapes(at_live: Kaboom, finished: str) -> None:
    done = run_process("jobs", "list", stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert finished.encode() in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(("no_color", "has_color"), [("", True), ("1", False)])
def test_no_color_is_obeyed_on_a_terminal(
    at_live: Kaboom, monkeypatch: pytest.MonkeyPatch, no_color: str, *, has_color: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    ours, theirs = pty.openpty()
    try:
        done = run_process("doctor", stdout=theirs)
        shown = os.read(ours, 100_000)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == Exit.JOB_FAILED
    assert b"bar store" in shown
    assert (re.search(rb"\x1b\[[0-9;]*3[0-9]", shown) is not None) == has_color


def run_process(*arguments: str, stdout: int) -> "subprocess.CompletedProcess[bytes]":
    argv = [sys.executable, "-m", "kaboom.cli.main", *arguments]
    path = os.pathsep.join(sys.path)
    env = os.environ | {"INGEST_API_TOKEN": TOKEN, "PYTHONPATH": path}
    return subprocess.run(argv, env=env, stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
