"""What every bar store promises, run on the page store and on its memory twin."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.bars.memory import MemoryBarStore
from batch.bars.pages import PageBarStore
from batch.bars.store import BarStore
from tests.contracts.bar_store import BarStoreContract, run


@pytest.fixture(params=["pages", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BarStore]:
    made: BarStore = PageBarStore(tmp_path / "bars") if request.param == "pages" else MemoryBarStore()
    yield made
    run(made.close())


class TestBarStoreContract(BarStoreContract):
    pass
