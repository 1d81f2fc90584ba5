"""Jobs of the market_data queue on a real `kaboom up`, whose workers empty all queues."""

import json
from typing import Any

import polars as pl

from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.roll_up import roll_up_bars
from tests.fixtures.bars.kept_bars import check_bars, kept_bars
from tests.fixtures.servers.stacks import Stack

SESSION = "2025-11-04"
SYMBOLS = ["7203", "6758", "9984", "8306"]
MINUTES = BarSeries("synthetic", Interval.M1)


def ingest(up: Stack, **body: Any) -> None:
    job = up.api.wait(up.api.submit(symbols=SYMBOLS, session=SESSION, **body))
    assert job["status"] == "completed"


def test_a_roll_up_by_the_command_line(up: Stack) -> None:
    ingest(up, intervals={"1m": 3, "1d": 3})
    session = ("--session", SESSION)
    done = up.kaboom("market-data", "roll-up", *session, "--interval", "5m=3", "--interval", "1d=3", "--wait", "--json")
    assert done.code == 0, done.err
    job = json.loads(done.out)
    assert (job["queue"], job["status"], job["result"]["outcomes"]) == ("market_data", "completed", {"ok": 4})
    assert job["result"]["counts"]["days_compared"] == 12
    assert "days_differ" not in job["result"]["counts"]
    bars = kept_bars(up.data_dir)
    for interval in (Interval.M5, Interval.D1):
        ours = bars[BarSeries("synthetic_from_1m", interval)]
        assert ours.equals(roll_up_bars(bars[MINUTES], interval))
    assert bars[BarSeries("synthetic", Interval.D1)].drop("flags").equals(ours.drop("flags"))
    listed = up.kaboom("jobs", "list").out
    assert job["job_id"] in listed
    assert "market_data.roll_up" in listed
    assert f"COMPLETED  job {job['job_id']}" in up.kaboom("jobs", "show", job["job_id"]).out
    assert "chunk_done" in up.kaboom("jobs", "logs", job["job_id"], "--follow").out
    shown = up.kaboom("bars", "show", "7203", "--interval", "5m", "--source", "synthetic_from_1m")
    assert "generated, not market data" in shown.out


def test_a_mirror_by_a_schedule(up: Stack) -> None:
    ingest(up, intervals={"1m": 1})
    added = up.kaboom(
        "schedules", "add", "mirror", "--task", "market_data.mirror", "--session-at", "17:30", "--disabled"
    )
    assert added.code == 0, added.err
    ran = up.kaboom("schedules", "run", "mirror", "--wait", "--json")
    assert ran.code == 0, ran.err
    (month,) = (up.data_dir / "mirror" / "synthetic" / "1m").glob("2025-11.*.parquet")
    kept = kept_bars(up.data_dir)[MINUTES].filter(pl.col("opened_at").dt.strftime("%Y-%m") == "2025-11")
    assert pl.read_parquet(month).height == kept.height


def test_a_compaction_drops_what_it_said_and_leaves_a_sound_store(up: Stack) -> None:
    ingest(up, intervals={"1m": 2})
    asked = ("market-data", "compact", "--keep", "1m=1", "--wait", "--json")
    (drop,) = json.loads(up.kaboom(*asked, "--dry-run").out)["result"]["drops"]
    held = kept_bars(up.data_dir)[MINUTES].height
    assert drop["bars"] == held
    job = json.loads(up.kaboom(*asked).out)
    assert job["result"]["counts"]["bars_dropped"] == held
    shown = up.kaboom("jobs", "show", job["job_id"]).out
    assert f"{job['progress']['total']} asked for (files), " in shown
    assert "symbols" not in shown
    assert MINUTES not in kept_bars(up.data_dir)
    assert check_bars(up.data_dir).faults == ()
    assert "all sound" in up.kaboom("doctor").out
