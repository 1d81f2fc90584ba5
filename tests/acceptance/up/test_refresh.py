"""Quotes, symbol lists and indicators by the command line, on a real `kaboom up`: its API, its queue, its worker."""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from tests.fixtures.providers.fake_jquants import API_KEY, jquants_server
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import Stack, stack

SOME = ("--symbol", "7203", "--symbol", "6758")


@pytest.fixture(scope="module")
def desk() -> Iterator[Stack]:
    """A `kaboom up` that may ask a J-Quants of four issues."""
    with open_folder() as folder, jquants_server() as fake:
        keys = {"JQUANTS_API_KEY": API_KEY, "JQUANTS_BASE_URL": fake.url}
        with stack(folder / "data", concurrency=2, **keys) as running:
            yield running


def run(desk: Stack, *arguments: str, code: int = 0) -> Any:
    done = desk.kaboom("market-data", *arguments, "--wait", "--json")
    assert done.code == code, done.err
    return json.loads(done.out)


def test_quotes_are_taken_and_not_taken_twice_once_they_are_final(desk: Stack) -> None:
    job = run(desk, "refresh-quotes", *SOME)
    assert (job["queue"], job["status"], job["progress"]["total"]) == ("market_data", "completed", 2)
    again = run(desk, "refresh-quotes", *SOME)
    assert again["progress"]["total"] == (0 if job["result"]["is_final"] else 2)


def test_a_symbol_list_is_kept_or_refused(desk: Stack) -> None:
    asked = ("refresh-symbols", "--provider", "jquants", "--session", "2025-11-04")
    refused = run(desk, *asked, code=1)
    assert "it was not imported" in refused["error"]["message"]
    taken = run(desk, *asked, "--most-lost", "100")
    assert taken["result"]["changes"]["listed"]["count"] == 1
    assert [path.name for path in (desk.data_dir / "symbols").iterdir()] == ["listings_2025-11-04.csv"]
    shown = desk.kaboom("jobs", "show", taken["job_id"])
    assert (shown.code, "listed 1" in shown.out) == (0, True), shown.out


def test_indicators_are_files_of_the_data_folder(desk: Stack) -> None:
    ingest = desk.kaboom("ingest", "run-daily", "--interval", "1d=60", *SOME, "--session", "2025-10-31", "--wait")
    assert ingest.code == 0, ingest.err
    job = run(desk, "indicators", "-i", "sma:25", "-i", "macd", "--sessions", "20", "--session", "2025-10-31")
    assert (job["status"], job["result"]["outcomes"]) == ("completed", {"ok": 2})
    table = pl.read_parquet(desk.data_dir / "indicators/synthetic/1d-adjusted/sma_25+macd_12_26_9/*.parquet")
    assert table.height == 40
    assert not table["macd_12_26_9_histogram"].has_nulls()
