"""Before a provider is asked again, the store must answer."""

from collections.abc import Sequence
from datetime import date

import pytest

from kaboom.bars.memory import MemoryBarStore
from kaboom.bars.space import check_store
from kaboom.errors import StoreError
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval

pytestmark = pytest.mark.anyio
ASKED = (BarSeries("synthetic", Interval.M1), "7203", date(2025, 11, 4))


class AwayStore(MemoryBarStore):
    """A store over a network that does not answer: it has no disk of its own to be checked."""

    async def last_closes(self, series: BarSeries, symbols: Sequence[str], *, before: date) -> dict[str, float]:
        """Fail."""
        raise StoreError("did not answer")


async def test_a_store_that_does_not_answer_is_found_before_the_provider_is_asked() -> None:
    await check_store(MemoryBarStore(), *ASKED)
    with pytest.raises(StoreError, match="did not answer"):
        await check_store(AwayStore(), *ASKED)
