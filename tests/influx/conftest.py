"""One real InfluxDB for the lane, a v2 shim before it, and stores on fresh buckets."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.store import InfluxBarStore
from kaboom.bars.influx.target import InfluxApi, InfluxTarget
from tests.bars.bar_store import run
from tests.fixtures.influx.influx_shim import TOKEN, Shim, shim
from tests.fixtures.influx.influx_stores import make_store
from tests.fixtures.influx.influxd import Influxd, influxd

type MakeStore = Callable[..., InfluxBarStore]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """A real InfluxDB."""
    with influxd(tmp_path_factory.mktemp("influxd")) as running:
        yield running


@pytest.fixture
def front(server: Influxd) -> Iterator[Shim]:
    """A v2 shim before it, with a memory of its own."""
    with shim(server.url) as running:
        yield running


@pytest.fixture
def buckets(server: Influxd) -> InfluxBuckets:
    """Three empty buckets."""
    return InfluxBuckets(*(server.make_database() for _ in range(3)))


@pytest.fixture
def store(front: Shim, buckets: InfluxBuckets, tmp_path: Path) -> Iterator[InfluxBarStore]:
    """A store that speaks v2."""
    target = InfluxTarget(front.url, TOKEN, "kaboom", InfluxApi.V2)
    made = make_store(target, buckets, tmp_path / "refused.jsonl")
    yield made
    run(made.close())
