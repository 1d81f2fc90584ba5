"""`kaboom up` with `INFLUXDB_HOST`: jobs write there, commands read from there, and a dead server is told truly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.drivers.embedded.servers import free_port
from tests.fixtures.influx.influx_shim import TOKEN, shim
from tests.fixtures.influx.influxd import Influxd
from tests.fixtures.servers.stacks import Stack, stack, until

# A chunk waits for the server five times, longer each time.
pytestmark = pytest.mark.timeout(600)
SYMBOLS = ["1301", "1332", "6758", "7203", "9984"]
JOB = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "symbols": SYMBOLS, "session": "2025-11-04", "chunk_size": 500}


@pytest.fixture
def port() -> int:
    """Where the server is, once it is there."""
    return free_port()


@pytest.fixture
def running(buckets: InfluxBuckets, port: int, open_tmp: Path) -> Iterator[Stack]:
    env = {
        "INFLUXDB_HOST": f"http://127.0.0.1:{port}",
        "INFLUXDB_TOKEN": TOKEN,
        "INFLUXDB_ORG": "kaboom",
        "INFLUXDB_BUCKET_RAW_1M_HOT": buckets.raw_1m_hot,
        "INFLUXDB_BUCKET_AGG_5M": buckets.agg_5m,
        "INFLUXDB_BUCKET_AGG_1D": buckets.agg_1d,
    }
    with stack(open_tmp / "data", concurrency=2, **env) as started:
        yield started
    assert "Unclosed" not in words_of(started), "connections were left open"
    assert TOKEN not in words_of(started)


def words_of(started: Stack) -> str:
    """Everything that its processes have logged."""
    logs = [path.read_text() for path in (started.data_dir / "logs").iterdir()]
    return "".join([started.log.read_text(), *logs])


def ask(started: Stack, *arguments: str) -> Any:
    done = started.kaboom("--json", *arguments)
    assert done.code == 0, done.err
    assert TOKEN not in done.out + done.err
    return orjson.loads(done.out)


def finding(started: Stack) -> dict[str, str]:
    """What `kaboom doctor` says of the bar store."""
    done = started.kaboom("--json", "doctor")
    assert TOKEN not in done.out + done.err
    found: dict[str, str] = next(f for f in orjson.loads(done.out) if f["part"] == "bar store")
    return found


def test_jobs_write_there_and_commands_read_from_there(
    running: Stack, server: Influxd, buckets: InfluxBuckets, port: int
) -> None:
    with shim(server.url, port) as front:
        job = running.api.wait(running.api.submit(**JOB))
        assert (job["status"], job["result"]["outcomes"]["ok"]) == ("completed", 5)
        rows = job["progress"]["rows"]
        assert server.count(buckets.raw_1m_hot, "ohlcv_1m") == rows > 1_000
        # `chunk_size` of the request has reached the store.
        assert len(front.writes) >= rows / 500

        shown = ask(running, "bars", "show", "7203")
        assert (shown["source"], len(shown["bars"])) == ("synthetic", bars_of(server, buckets, "7203"))
        covered = ask(running, "coverage", "--days", "5000")["coverage"]
        assert {row["symbol"]: row["bars"] for row in covered} == {s: bars_of(server, buckets, s) for s in SYMBOLS}
        assert finding(running) == {
            "part": "bar store",
            "verdict": "ok",
            "detail": f"InfluxDB at http://127.0.0.1:{port}: {rows:,} bars, all sound",
            "mend": "",
        }

        made = ask(running, "market-data", "roll-up", "--session", "2025-11-04", "--wait")
        assert (made["status"], made["result"]["outcomes"]["ok"]) == ("completed", 5)
        assert server.count(buckets.agg_5m, "ohlcv_5m") == made["result"]["counts"]["bars_5m"] > 100
        assert server.count(buckets.agg_1d, "ohlcv_1d") == made["result"]["counts"]["bars_1d"] == 5
        days = ask(running, "bars", "show", "7203", "--interval", "1d", "--source", "synthetic_from_1m")["bars"]
        assert days[-1]["volume"] == sum(row["volume"] for row in shown["bars"])
    assert not (running.data_dir / "bars").exists()


def test_bars_are_written_when_a_dead_server_is_back(
    running: Stack, server: Influxd, buckets: InfluxBuckets, port: int
) -> None:
    job_id = running.api.submit(**JOB)
    because = f"InfluxDB at http://127.0.0.1:{port}: could not connect: Connection refused"
    waiting = until(lambda: running.api.job(job_id), lambda job: job["health"] == "paused", within_s=60)
    assert because in waiting["progress"]["pause_reason"]
    # Of its waits the first and the fifth are logged: more than the tries that a chunk has of anything else.
    until(lambda: words_of(running).count("chunk_waiting"), lambda lines: lines >= 2, within_s=90)
    assert running.api.job(job_id)["status"] == "running"
    assert server.count(buckets.raw_1m_hot, "ohlcv_1m") == 0
    assert because in running.kaboom("jobs", "logs", job_id).out
    shown = running.kaboom("bars", "show", "7203")
    assert (shown.code, because in shown.err) == (7, True)
    assert finding(running)["verdict"] == "fault"
    assert because in finding(running)["detail"]

    with shim(server.url, port):
        job = running.api.wait(job_id)
        assert (job["status"], job["result"]["outcomes"]["ok"]) == ("completed", 5)
        assert server.count(buckets.raw_1m_hot, "ohlcv_1m") == job["progress"]["rows"] > 1_000


def test_a_token_that_is_refused_is_not_shown(running: Stack, server: Influxd, port: int) -> None:
    running.env["INFLUXDB_TOKEN"] = "an0ther-t0ken"
    with shim(server.url, port):
        shown = running.kaboom("coverage")
    assert "refused the token with 401: unauthorized: Token …" in shown.err
    assert "an0ther-t0ken" not in shown.out + shown.err


def bars_of(server: Influxd, buckets: InfluxBuckets, symbol: str) -> int:
    """How many bars of a symbol the server has, by a query that is not the store's."""
    text = f'SELECT count("close") FROM "ohlcv_1m" WHERE "symbol" = \'{symbol}\''
    return int(server.command(text, db=buckets.raw_1m_hot)["series"][0]["values"][0][1])
