"""The main job on a real `kaboom up`."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import redis

from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.kept_bars import check_bars, kept_bars, kept_sessions
from tests.fixtures.jobs.apps import INGEST, REPORT_BODY, REPORT_JSON, RUN_DAILY
from tests.fixtures.servers.receivers import receiving
from tests.fixtures.servers.stacks import FINAL, Stack, serving, until

#: The day after a holiday, a weekend and All Souls'.
SESSION = "2025-11-04"
SOME = ["7203", "6758", "9984", "8306", "130A"]
CELERY = (sys.executable, "-m", "celery", "-A", "app.tasks.celery_app")
REPORTS_WORKER = (
    "worker", "--loglevel=info", "--queues=ingest,ai_analysis,backtest,market_data,notifications",
    "--concurrency=4", "--prefetch-multiplier=1",
)  # fmt: skip


def valkey(up: Stack) -> "redis.Redis":
    return redis.Redis.from_url(up.run()["redis_url"], decode_responses=True)


def token_of(up: Stack) -> str:
    return str(up.api.http.headers["x-ingest-token"])


def test_both_documented_calls_answer_as_documented(up: Stack) -> None:
    curl = ("curl", "-sS", "--noproxy", "*", "-H", f"x-ingest-token: {token_of(up)}")
    send = (
        "-X",
        "POST",
        f"{up.api.url}{RUN_DAILY}",
        "-H",
        "Content-Type: application/json",
        "-d",
        REPORT_JSON.decode(),
    )
    accepted = up.command(*curl, *send).out
    found = re.fullmatch(r'\{"job_id":"([0-9a-f]{32})","status":"queued"\}', accepted)
    assert found, accepted
    shown = json.loads(up.command(*curl, f"{up.api.url}{INGEST}/jobs/{found[1]}").out)
    assert shown["job_id"] == found[1]
    assert {"done", "total", "failed", "percent", "rate", "eta_s"} <= set(shown["progress"])

    job = up.api.wait(found[1])
    assert job["status"] == "completed"
    assert sum(job["result"]["outcomes"].values()) == job["progress"]["total"] == job["result"]["universe"]["symbols"]
    assert job["progress"]["total"] > 1_500
    assert job["progress"]["rows"] > 350_000
    assert job["progress"]["percent"] == 100.0


def test_what_was_written_is_sound_and_all_that_was_counted(up: Stack) -> None:
    job = up.api.wait(up.api.submit(intervals={"15m": 1}, session=SESSION))
    series = BarSeries("synthetic", Interval.M15)
    rows = kept_bars(up.data_dir)[series]
    assert rows.height == job["progress"]["rows"]
    assert rows["symbol"].n_unique() == job["result"]["outcomes"]["ok"]
    assert check_bars(up.data_dir).faults == ()


def test_the_same_request_twice_leaves_exactly_the_same_rows(up: Stack) -> None:
    request = {"intervals": {"1m": 2, "1d": 5}, "symbols": SOME, "session": "2025-09-12"}
    first = up.api.wait(up.api.submit(**request))
    before = kept_bars(up.data_dir)
    second = up.api.wait(up.api.submit(**request))
    after = kept_bars(up.data_dir)
    assert set(before) == set(after)
    assert all(before[series].equals(after[series]) for series in before)
    assert first["progress"]["rows"] == second["progress"]["rows"] > 0
    assert first["result"]["outcomes"] == second["result"]["outcomes"]


def test_look_back_means_sessions_not_calendar_days(up: Stack) -> None:
    request = {"intervals": {"1m": 1, "5m": 2, "1d": 30}, "symbols": ["1301", "4063"], "session": SESSION}
    job = up.api.wait(up.api.submit(market="TSE_PRIME", **request))
    assert job["status"] == "completed"
    sessions = job["result"]["sessions"]
    # Monday was Culture Day, and before it lay a weekend.
    assert sessions["1m"] == {"count": 1, "first": SESSION, "last": SESSION}
    assert sessions["5m"] == {"count": 2, "first": "2025-10-31", "last": SESSION}
    assert sessions["1d"] == {"count": 30, "first": "2025-09-19", "last": SESSION}
    kept = kept_sessions(up.data_dir, BarSeries("synthetic", Interval.M5))
    assert kept == [date(2025, 10, 31), date(2025, 11, 4)]
    assert all(day.weekday() < 5 for day in kept_sessions(up.data_dir, BarSeries("synthetic", Interval.D1)))


def test_redis_holds_the_job_and_the_newest_hundred(up: Stack) -> None:
    # Each a little different, or the later ones would join the first.
    one = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": SESSION, "dry_run": True}
    made = [up.api.submit(chunk_size=n + 1, **one) for n in range(103)]
    for job_id in (made[0], made[-1]):
        assert up.api.wait(job_id)["status"] == "completed"
    with valkey(up) as client:
        assert client.lrange("ingest:jobs", 0, -1) == made[:2:-1]
        assert client.type(f"ingest:job:{made[0]}") == "hash"
        assert client.hget(f"ingest:job:{made[-1]}", "status") == "completed"


def test_a_dry_run_ends_with_its_plan_and_no_bar(up: Stack) -> None:
    job = up.api.wait(up.api.submit(intervals={"1h": 1}, session=SESSION, dry_run=True))
    assert (job["status"], job["progress"]["rows"]) == ("completed", 0)
    assert job["result"]["universe"]["symbols"] > 1_500
    assert BarSeries("synthetic", Interval.H1) not in kept_bars(up.data_dir)


def test_celerys_own_result_knows_the_job(up: Stack) -> None:
    job_id = up.api.submit(intervals={"1d": 1}, symbols=["7203"], session=SESSION)
    up.api.wait(job_id)
    read = f"r = c.AsyncResult('{job_id}'); print(r.get(timeout=30)['status'], r.state)"
    code = f"from app.tasks.celery_app import celery_app as c; {read}"
    assert up.command(sys.executable, "-c", code).out == "completed SUCCESS\n"


def test_celery_inspects_the_worker(up: Stack) -> None:
    pong = up.command(*CELERY, "inspect", "ping")
    assert pong.code == 0, pong.err
    assert "pong" in pong.out
    assert "1 node online." in pong.out


def test_the_worker_consumes_the_five_queues(up: Stack) -> None:
    told = up.command(*CELERY, "inspect", "active_queues", "--json")
    ((_, queues),) = json.loads(told.out).items()
    names = ["ai_analysis", "backtest", "ingest", "market_data", "notifications"]
    assert sorted(queue["name"] for queue in queues) == names
    assert all(queue["routing_key"] == queue["exchange"]["name"] == queue["name"] for queue in queues)


@contextmanager
def another_worker(up: Stack) -> "Iterator[subprocess.Popen[bytes]]":
    """Run the worker command of the tour, as written, beside the worker of `kaboom up`."""
    argv = [*CELERY, *REPORTS_WORKER]
    with (up.data_dir / "logs" / "another.log").open("ab") as log:
        process = subprocess.Popen(argv, env=up.env, cwd=up.data_dir, stdin=subprocess.DEVNULL, stderr=log, stdout=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_documented_worker_command_works_as_written(up: Stack) -> None:
    with another_worker(up) as process:
        until(lambda: up.api.get("/jobs/stats"), lambda stats: stats["workers_online"] == 2, within_s=60)
        assert up.api.get("/jobs/stats")["slots_online"] == 6
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert up.api.wait(up.api.submit(intervals={"1d": 1}, symbols=SOME, session=SESSION))["status"] == "completed"


def test_a_wrong_call_of_4_mb_is_answered_over_the_wire(up: Stack) -> None:
    big = b'{"symbols": ["' + b"7" * 4_000_000 + b'"]}'
    answer = up.api.http.post(RUN_DAILY, content=big, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["title"]) == (413, "The body is too large")
    refused = up.api.http.post(RUN_DAILY, content=big, headers=[(b"x-ingest-token", b"\xff")])
    assert refused.status_code == 401
    assert up.api.http.get("/healthz").status_code == 200


def test_the_command_line_takes_a_job_to_its_end(up: Stack) -> None:
    symbols = [argument for symbol in SOME for argument in ("--symbol", symbol)]
    done = up.kaboom("ingest", "run-daily", "--interval", "5m=1", "--session", SESSION, *symbols, "--wait", "--json")
    assert done.code == 0, done.err
    job = json.loads(done.out)
    assert (job["status"], job["result"]["outcomes"]) == ("completed", {"ok": len(SOME)})
    assert "accepted" in done.err

    listed = up.kaboom("jobs", "list", "--limit", "1")
    assert job["job_id"] in listed.out
    assert up.kaboom("jobs", "watch", job["job_id"]).code == 0
    assert "COMPLETED" in up.kaboom("jobs", "show", job["job_id"]).out
    assert up.kaboom("jobs", "retry", job["job_id"]).code == 5
    assert up.kaboom("jobs", "cancel", job["job_id"]).code == 5


def test_the_command_line_shows_what_is_kept(up: Stack) -> None:
    up.api.wait(up.api.submit(intervals={"1m": 1}, symbols=["7203"], session=SESSION))
    bars = up.kaboom("bars", "show", "7203", "--session", SESSION)
    assert "7203 1m: 327 bars" in bars.out
    assert "synthetic" in bars.out
    assert SESSION in up.kaboom("coverage", "--days", "20000", "--json").out


def test_the_log_of_a_job_is_followed_across_processes(up: Stack) -> None:
    job_id = up.api.submit(intervals={"1m": 1}, symbols=SOME, session=SESSION)
    followed = up.kaboom("jobs", "logs", job_id, "--follow", "--json")
    assert followed.code == 0, followed.err
    assert "job_submitted" in followed.out
    chunks = valkey(up).hget(f"ingest:job:{job_id}", "chunks_total")

    def of_event(name: str) -> list[dict[str, int]]:
        return [line["fields"] for line in up.api.get(f"/jobs/{job_id}/logs")["items"] if line["event"] == name]

    # The API's, the planner's and those of the chunks, of which each begins and ends once.
    until(lambda: len(of_event("chunk_done")), lambda done: str(done) == chunks, within_s=30)
    assert str(len(of_event("chunk_started"))) == chunks
    assert [str(fields["chunks"]) for fields in of_event("job_planned")] == [chunks]
    assert sum(fields["rows"] for fields in of_event("chunk_done")) == up.api.job(job_id)["progress"]["rows"] > 0
    until(lambda: len(of_event("job_finished")), bool, within_s=30)
    assert up.kaboom("jobs", "list", "--q", f"{job_id[:10]} {SOME[0]}").out.count(job_id) == 1


def test_doctor_finds_everything_sound(up: Stack) -> None:
    done = up.kaboom("doctor", "--json")
    findings = json.loads(done.out)
    assert {f["verdict"] for f in findings} == {"ok"}, findings
    assert {f["part"] for f in findings} >= {"api", "redis", "database", "workers", "bar store"}
    assert done.code == 0


def test_a_job_is_cancelled_from_the_command_line(up: Stack) -> None:
    # Long enough that a command that starts slowly on a busy machine still finds it running.
    job_id = up.api.submit(intervals={"1m": 40}, session="2025-06-30")
    until(lambda: up.api.job(job_id), lambda job: job["progress"]["done"] > 0, within_s=60)
    cancelled = up.kaboom("jobs", "cancel", job_id)
    assert cancelled.code == 0
    job = up.api.wait(job_id, within_s=6)
    assert job["status"] == "cancelled"
    progress = job["progress"]
    assert progress["done"] + progress["failed"] + progress["cancelled"] == progress["total"]
    assert progress["cancelled"] > 0
    # What was queued behind it has gone by, and nothing was written after the end.
    assert up.kaboom("jobs", "watch", job_id).code == 1
    with valkey(up) as client:
        until(lambda: client.llen("celery:ingest"), lambda n: n == 0, within_s=30)
    up.api.wait(up.api.submit(intervals={"1d": 1}, symbols=["9984"], session=SESSION))
    kept = kept_bars(up.data_dir)[BarSeries("synthetic", Interval.M1)]
    assert kept.filter(pl.col("opened_at").dt.month().is_between(4, 6)).height == progress["rows"]
    assert up.api.job(job_id)["progress"] == progress


def write_bars(folder: Path, symbol: str, *, is_broken: bool = False) -> None:
    days = [date(2025, 6, 2) + timedelta(days=n) for n in range(5)]
    rows = [f"{day},{100 + n},{103 + n},{99 + n},{101 + n},{1000 * (n + 1)}" for n, day in enumerate(days)]
    header = "Date,Open,High,Low,Close,Volume"
    text = "this is,no table of bars\n" if is_broken else "\n".join([header, *rows]) + "\n"
    (folder / f"{symbol}_1d.csv").write_text(text)


def test_a_retry_takes_only_what_failed(up: Stack) -> None:
    files = Path(up.env["KABOOM_FILE_DIR"])
    for symbol in ("AAPL", "MSFT"):
        write_bars(files, symbol)
    write_bars(files, "GOOG", is_broken=True)
    request = {"intervals": {"1d": 5}, "market": "FILE", "provider": "file", "symbols": ["AAPL", "GOOG", "MSFT"]}
    parent = up.api.wait(up.api.submit(**request))
    assert parent["status"] == "partial"
    assert parent["result"]["outcomes"] == {"ok": 2, "invalid": 1}
    (failure,) = up.api.get(f"/jobs/{parent['job_id']}/failures")["items"]
    assert (failure["item"], failure["interval"], failure["outcome"]) == ("GOOG", "1d", "invalid")
    assert "GOOG" in failure["message"]
    assert up.kaboom("jobs", "watch", parent["job_id"]).code == 8
    assert "invalid" in up.kaboom("jobs", "show", parent["job_id"]).out

    write_bars(files, "GOOG")
    done = up.kaboom("jobs", "retry", parent["job_id"], "--wait", "--json")
    assert done.code == 0, done.err
    child = json.loads(done.out)
    assert (child["parent_id"], child["attempt"]) == (parent["job_id"], 2)
    assert (child["progress"]["total"], child["result"]["outcomes"]) == (1, {"ok": 1})
    rows = kept_bars(up.data_dir)[BarSeries("file", Interval.D1)]
    assert dict(rows.group_by("symbol").len().iter_rows()) == {"AAPL": 5, "GOOG": 5, "MSFT": 5}
    assert up.api.job(parent["job_id"])["status"] == "partial"


def test_a_job_of_a_real_worker_tells_its_end(up: Stack) -> None:
    secret = (up.data_dir / "webhook-secret").read_text().strip()
    with receiving() as receiver:
        job_id = up.api.submit(intervals={"1d": 1}, symbols=SOME, session=SESSION, callback_url=receiver.url)
        assert receiver.arrived.acquire(timeout=60)
        event = receiver.seen[0].verify(secret)
    assert event["data"]["job_id"] == job_id
    job = up.api.get(event["data"]["links"]["self"].removeprefix(INGEST))
    assert (event["type"], event["data"]["status"]) == (f"ingest.job.{job['status']}", job["status"])
    webhook = up.api.get(f"/webhooks?job_id={job_id}")["items"][0]
    assert until(
        lambda: up.api.get(f"/webhooks/{webhook['id']}"), lambda w: w["status"] == "delivered", within_s=30
    )["attempts"] == 1  # fmt: skip
    for log in (up.data_dir / "logs").iterdir():
        assert "s3cret" not in log.read_text(), log


def open_jobs(by_status: dict[str, int]) -> int:
    return by_status["queued"] + by_status["running"] + by_status["cancelling"]


def test_nothing_is_left_undone(up: Stack) -> None:
    with valkey(up) as client:
        until(lambda: client.zcard("ingest:active"), lambda n: n == 0, within_s=60)
        assert client.zcard("ingest:leases") == 0
        until(lambda: client.llen("celery:ingest"), lambda n: n == 0, within_s=30)
    # The ledger learns of an end a moment after Redis, from the worker or at the latest from the reaper.
    counts = until(lambda: up.api.get("/jobs/stats")["by_status"], lambda found: not open_jobs(found), within_s=30)
    assert counts["failed"] == 0
    assert up.api.http.get("/api/v1/dead-letters").json()["items"] == []
    assert {job["status"] for job in up.api.get("/jobs?limit=200")["items"]} <= FINAL


def test_without_any_server_the_same_request_runs_in_the_api(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as api:
        job = api.wait(api.submit(**REPORT_BODY))
        assert job["status"] == "completed"
        assert sum(job["result"]["outcomes"].values()) == job["progress"]["total"] > 1_500
        assert api.http.get("/readyz").json()["workers_online"] == 1
    rows = kept_bars(tmp_path / "data")[BarSeries("synthetic", Interval.M1)]
    assert rows.height == job["progress"]["rows"] > 350_000
    assert not (tmp_path / "data" / "valkey").exists()
