"""The promises of a bar store, kept on a real InfluxDB 1.x: through the v2 shim, and by its own v1 API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.store import InfluxBarStore
from kaboom.bars.influx.target import InfluxApi, InfluxTarget
from tests.bars.bar_store import BarStoreContract, run
from tests.fixtures.influx.influx_shim import TOKEN, Shim
from tests.fixtures.influx.influx_stores import make_store
from tests.fixtures.influx.influxd import Influxd


@pytest.fixture(params=[InfluxApi.V1, InfluxApi.V2])
def store(
    request: pytest.FixtureRequest, server: Influxd, front: Shim, buckets: InfluxBuckets, tmp_path: Path
) -> Iterator[InfluxBarStore]:
    target = InfluxTarget(server.url, api=InfluxApi.V1)
    if request.param is InfluxApi.V2:
        target = InfluxTarget(front.url, TOKEN, "kaboom")
    made = make_store(target, buckets, tmp_path / "refused.jsonl")
    yield made
    run(made.close())


class TestInfluxBarStoreContract(BarStoreContract):
    pass
