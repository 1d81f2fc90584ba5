"""Bars go to InfluxDB from one process too: the script, and the API without Celery; both leave quietly."""

import subprocess
import sys
from pathlib import Path

import orjson

from kaboom.bars.influx.layout import InfluxBuckets
from tests.fixtures.influx.influx_shim import TOKEN, Shim
from tests.fixtures.influx.influxd import Influxd
from tests.fixtures.servers.stacks import clean_environment, serving

SYMBOLS = ["1301", "7203"]
JOB = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "symbols": SYMBOLS, "session": "2025-11-04"}


def settings_of(front: Shim, buckets: InfluxBuckets) -> dict[str, str]:
    return {
        "INFLUXDB_HOST": front.url,
        "INFLUXDB_TOKEN": TOKEN,
        "INFLUXDB_ORG": "kaboom",
        "INFLUXDB_BUCKET_RAW_1M_HOT": buckets.raw_1m_hot,
        "INFLUXDB_BUCKET_AGG_5M": buckets.agg_5m,
        "INFLUXDB_BUCKET_AGG_1D": buckets.agg_1d,
    }


def test_the_script_writes_there(server: Influxd, front: Shim, buckets: InfluxBuckets, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "batch.scripts.run_daily_ingest", orjson.dumps(JOB).decode()]
    env = clean_environment(KABOOM_DATA_DIR=str(tmp_path), **settings_of(front, buckets))
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    report = orjson.loads(done.stdout)
    assert report["outcomes"]["ok"] == 2
    assert server.count(buckets.raw_1m_hot, "ohlcv_1m") == report["rows"] > 400


def test_a_script_that_cannot_reach_it_says_so(tmp_path: Path, buckets: InfluxBuckets) -> None:
    argv = [sys.executable, "-m", "batch.scripts.run_daily_ingest", orjson.dumps(JOB).decode()]
    nowhere = settings_of(Shim("", "http://127.0.0.1:1"), buckets)
    env = clean_environment(KABOOM_DATA_DIR=str(tmp_path), **nowhere)
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (
        2,
        "InfluxDB at http://127.0.0.1:1: could not connect: Connection refused\n",
    )


def test_the_api_alone_writes_there(server: Influxd, front: Shim, buckets: InfluxBuckets, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, **settings_of(front, buckets)) as api:
        job = api.wait(api.submit(**JOB))
        assert (job["status"], job["result"]["outcomes"]["ok"]) == ("completed", 2)
        assert server.count(buckets.raw_1m_hot, "ohlcv_1m") == job["progress"]["rows"] > 400
    log = (data_dir / "api.log").read_text()
    assert "Unclosed" not in log
    assert TOKEN not in log


def test_settings_that_cannot_work_stop_the_start(front: Shim, tmp_path: Path) -> None:
    env = clean_environment(
        KABOOM_DATA_DIR=str(tmp_path),
        INFLUXDB_HOST=front.url,
        DISABLE_CELERY="true",
        DISABLE_REDIS="true",
        INGEST_API_TOKEN="x" * 32,
    )
    argv = [sys.executable, "-m", "kaboom.cli.main", "serve", "--port", "0"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "INFLUXDB_TOKEN is not set" in done.stderr
