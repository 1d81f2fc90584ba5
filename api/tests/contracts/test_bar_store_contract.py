"""What every bar store promises, run on the page store and on its memory twin."""

from tests.contracts.bar_store import BarStoreContract


class TestBarStoreContract(BarStoreContract):
    pass
