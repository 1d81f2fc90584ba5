"""The promises of a store of corporate actions, kept on a real InfluxDB 1.x beside the bars."""

import pytest

from kaboom.bars.influx.layout import InfluxBuckets
from kaboom.bars.influx.store import InfluxActionStore, InfluxBarStore
from tests.bars.action_store import ActionStoreContract


@pytest.fixture(name="store")
def action_store(store: InfluxBarStore, buckets: InfluxBuckets) -> InfluxActionStore:
    return InfluxActionStore(store.writer, buckets.agg_1d)


class TestInfluxActionStoreContract(ActionStoreContract):
    pass
