"""What every bar store promises, run on the page store, on its memory twin and on a fake InfluxDB v3 asked in SQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.bars.memory import MemoryBarStore
from batch.bars.pages import PageBarStore
from batch.bars.store import BarStore
from tests.contracts.bar_store import BarStoreContract, run
from tests.fixtures.influx_stores import fake_v3


@pytest.fixture(params=["pages", "memory", "influx-sql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BarStore]:
    if request.param == "influx-sql":
        with fake_v3(tmp_path) as server:
            yield server
            run(server.close())
        return
    made: BarStore = PageBarStore(tmp_path / "bars") if request.param == "pages" else MemoryBarStore()
    yield made
    run(made.close())


class TestBarStoreContract(BarStoreContract):
    pass
