"""The peer of an ingest: for each symbol one request, one pandas frame, one write; alone, or in several processes."""

import multiprocessing
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import requests
from influxdb_client.client.write.point import Point
from influxdb_client.domain.write_precision import WritePrecision

from kaboom.market.calendar import JST


@dataclass(frozen=True, slots=True)
class Task:
    """Symbols to take, of which session, from where and to where."""

    symbols: Sequence[str]
    session: date
    charts_url: str
    sink_url: str


def run(task: Task) -> int:
    """Take one symbol after another; return how many rows were written."""
    rows = 0
    for symbol in task.symbols:
        frame = fetch(task, symbol)
        lines = [to_line(symbol, row) for _, row in frame.iterrows()]
        post(task.sink_url, "\n".join(lines).encode())
        rows += len(lines)
    return rows


def run_in_processes(task: Task, processes: int) -> tuple[int, float]:
    """Share the symbols among some processes; return the rows written, and the seconds that it took."""
    parts = [Task(task.symbols[n::processes], task.session, task.charts_url, task.sink_url) for n in range(processes)]
    # Not with our own handler: one that is ended while it ends would never end.
    plain = (signal.SIGTERM, signal.SIG_DFL)
    with multiprocessing.get_context("fork").Pool(processes, initializer=signal.signal, initargs=plain) as pool:
        # The clock begins when all are started: forking is not what is compared.
        pool.map(time.sleep, [0.1] * processes, chunksize=1)
        begun_at = time.perf_counter()
        rows = sum(pool.map(run, parts, chunksize=1))
        return rows, time.perf_counter() - begun_at


def fetch(task: Task, symbol: str) -> pd.DataFrame:
    """Get a chart, by `requests.get` as most would write it, as a frame."""
    start = datetime(task.session.year, task.session.month, task.session.day, tzinfo=JST)
    params: dict[str, str | int] = {
        "period1": int(start.timestamp()),
        "period2": int((start + timedelta(days=1)).timestamp()),
        "interval": "1m",
    }
    answer = requests.get(f"{task.charts_url}/v8/finance/chart/{symbol}.T", params=params, timeout=30)
    result = answer.json()["chart"]["result"][0]
    frame = pd.DataFrame(result["indicators"]["quote"][0])
    frame["opened_at"] = pd.to_datetime(result["timestamp"], unit="s", utc=True)
    return frame.dropna()


def to_line(symbol: str, row: Any) -> str:
    """Return the line protocol of one row, by way of a client's point."""
    new_point: Any = Point  # which has no types
    point = new_point("ohlcv_1m").tag("symbol", symbol)
    for name in ("open", "high", "low", "close", "volume"):
        point = point.field(name, float(getattr(row, name)))
    line: str = point.time(row.opened_at, WritePrecision.S).to_line_protocol()
    return line


def post(url: str, body: bytes) -> None:
    """Write lines."""
    requests.post(f"{url}/api/v2/write?bucket=x&precision=s", data=body, timeout=30).raise_for_status()
