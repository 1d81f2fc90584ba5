"""`kaboom doctor` tells in which language InfluxDB is asked."""

from typing import cast

import pytest

from kaboom.bars import open_influx as influx_stores
from tests.fixtures.cli import Kaboom
from tests.fixtures.influx.fake_influx import TOKEN, fake_influx


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command closes the store of its process, and this process runs many."""
    monkeypatch.setattr(influx_stores, "_store", influx_stores._store.__wrapped__)


def test_doctor_asks_v3_in_sql_and_says_so(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_influx("raw_1m_hot", "agg_5m", "agg_1d") as fake:
        settings = {"HOST": fake.url, "TOKEN": TOKEN, "QUERY": "sql", "API": "v3"}
        for name, value in settings.items():
            monkeypatch.setenv(("KABOOM_" if name in {"QUERY", "API"} else "") + f"INFLUXDB_{name}", value)
        done = kaboom("doctor", "--json")
        (found,) = [f for f in cast("list[dict[str, str]]", done.json) if f["part"] == "bar store"]
        assert found == {
            "part": "bar store",
            "verdict": "ok",
            "detail": f"InfluxDB at {fake.url}, asked in SQL: 0 bars, all sound",
            "mend": "",
        }
        assert all("information_schema" in text for text in fake.queries)
        assert len(fake.queries) == 3


def test_sql_with_v1_is_a_fault(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"INFLUXDB_HOST": "http://127.0.0.1:9", "KABOOM_INFLUXDB_API": "v1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KABOOM_INFLUXDB_QUERY", "sql")
    done = kaboom("doctor", "--json")
    (found,) = [f for f in cast("list[dict[str, str]]", done.json) if f["part"] == "bar store"]
    assert (found["verdict"], "KABOOM_INFLUXDB_QUERY was sql" in found["detail"]) == ("fault", True)
