"""A store that is away is waited for, and not for ever."""

import pytest

from app.engine.store_retry import retry_while_unavailable
from batch.errors import NotFound, StoreError

pytestmark = pytest.mark.anyio


class Away:
    """A store that does not answer its first calls."""

    def __init__(self, times: int, error: Exception | None = None) -> None:
        self.calls, self._times = 0, times
        self._error = error or StoreError("away")

    async def ask(self) -> str:
        self.calls += 1
        if self.calls <= self._times:
            raise self._error
        return "here"


async def test_an_answer_is_returned_at_once() -> None:
    store = Away(0)
    assert await retry_while_unavailable(store.ask, for_s=5) == "here"
    assert store.calls == 1


async def test_a_store_that_comes_back_is_waited_for() -> None:
    store = Away(3)
    assert await retry_while_unavailable(store.ask, for_s=30) == "here"
    assert store.calls == 4


async def test_one_that_stays_away_is_given_up() -> None:
    store = Away(10**6)
    with pytest.raises(StoreError, match="away"):
        await retry_while_unavailable(store.ask, for_s=0.05)


async def test_any_other_error_is_told_at_once() -> None:
    store = Away(1, NotFound("no such job"))
    with pytest.raises(NotFound):
        await retry_while_unavailable(store.ask, for_s=30)
    assert store.calls == 1
