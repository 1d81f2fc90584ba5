"""What every store of corporate actions promises: SQLite beside the pages, memory, and a strict fake of InfluxDB."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaboom.bars.actions.sqlite import SqliteActionStore
from kaboom.bars.actions.store import ActionStore
from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.store import InfluxActionStore
from kaboom.bars.influx.target import InfluxTarget
from kaboom.bars.memory import MemoryActionStore
from kaboom.bars.postgres.actions import PostgresActionStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.bars.action_store import ActionStoreContract
from tests.bars.bar_store import run
from tests.fixtures.bars.postgres_bars import empty_bar_tables
from tests.fixtures.influx.fake_influx import ORG, TOKEN, fake_influx
from tests.fixtures.influx.influx_stores import make_store

BUCKETS = InfluxBuckets("raw", "agg5", "agg1d")


@pytest.fixture(params=["sqlite", "postgres", "memory", "influx"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ActionStore]:
    if request.param == "influx":
        with fake_influx(*BUCKETS.names()) as fake:
            bars = make_store(InfluxTarget(fake.url, TOKEN, ORG), BUCKETS, tmp_path / "refused.jsonl")
            yield InfluxActionStore(bars.writer, BUCKETS.agg_1d)
            run(bars.close())
        return
    if request.param == "postgres":
        url = request.getfixturevalue("database_url")
        empty_bar_tables(url)
        made: ActionStore = PostgresActionStore(BlockingDatabase(url, application_name="test"))
        yield made
        run(made.close())
        return
    made = SqliteActionStore(tmp_path / "bars") if request.param == "sqlite" else MemoryActionStore()
    yield made
    run(made.close())


class TestActionStoreContract(ActionStoreContract):
    pass
