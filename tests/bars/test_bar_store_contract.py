"""What every bar store promises, run on the page store and on its memory twin; `make influx` runs it on an InfluxDB."""

from tests.bars.bar_store import BarStoreContract


class TestBarStoreContract(BarStoreContract):
    pass
