"""What every bar store promises, run on the page store, on its memory twin and on a fake InfluxDB v3 asked in SQL."""

from tests.contracts.bars.bar_store import BarStoreContract


class TestBarStoreContract(BarStoreContract):
    pass
