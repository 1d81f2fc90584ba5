"""Lookups are kept for 5 s, shared by who asks at the same time, and forgotten on demand."""

import asyncio

import pytest

from kaboom.accounts import directory as module
from kaboom.accounts.directory import KEPT_S, Recent
from kaboom.errors import StoreError

pytestmark = pytest.mark.anyio


class Store:
    """Values that can be changed, and a clock."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {"a": "1"}
        self.asked = 0
        self.now = 0.0
        self.gate: asyncio.Event | None = None
        self.begun = asyncio.Event()
        self.is_down = False

    async def load(self, key: str) -> str | None:
        self.asked += 1
        self.begun.set()
        value = self.values.get(key)
        if self.gate:
            await self.gate.wait()
        if self.is_down:
            raise StoreError("PostgreSQL did not answer")
        return value

    def recent(self) -> Recent[str]:
        return Recent(self.load, asyncio.Semaphore(2), clock=lambda: self.now)


async def test_an_answer_is_kept_for_5_s_and_no_longer(anyio_backend: str) -> None:
    store = Store()
    recent = store.recent()
    assert [await recent.get("a"), await recent.get("none")] == ["1", None]
    store.values = {"a": "2", "none": "3"}
    store.now = KEPT_S - 0.001
    assert [await recent.get("a"), await recent.get("none"), store.asked] == ["1", None, 2]
    store.now = KEPT_S
    assert [await recent.get("a"), await recent.get("none")] == ["2", "3"]


async def test_an_outage_shuts_out_nobody_whose_answer_is_kept(anyio_backend: str) -> None:
    store = Store()
    recent = store.recent()
    await recent.get("a")
    store.is_down, store.now = True, KEPT_S / 2
    assert await recent.get("a") == "1"
    with pytest.raises(StoreError):
        await recent.get("b")
    store.now = KEPT_S
    with pytest.raises(StoreError):
        await recent.get("a")


async def test_who_asks_at_the_same_time_shares_a_lookup(anyio_backend: str) -> None:
    store = Store()
    recent, store.gate = store.recent(), asyncio.Event()
    callers = [asyncio.create_task(recent.get("a")) for _ in range(50)]
    await asyncio.sleep(0)
    callers[0].cancel()
    await asyncio.sleep(0)
    store.gate.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert answers[1:] == ["1"] * 49
    assert isinstance(answers[0], asyncio.CancelledError)
    assert store.asked == 1


async def test_a_lookup_that_began_before_a_change_is_not_kept(anyio_backend: str) -> None:
    store = Store()
    recent, store.gate = store.recent(), asyncio.Event()
    before = asyncio.create_task(recent.get("a"))
    await store.begun.wait()
    store.values["a"] = "2"
    recent.forget("a")
    store.gate.set()
    assert await before == "1"
    assert await recent.get("a") == "2"


async def test_a_flood_of_unknown_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 20)
    store = Store()
    recent = store.recent()
    await asyncio.gather(*(recent.get(f"x{n}") for n in range(500)))
    assert len(recent._kept) == 20
    assert recent._running == {}


async def test_the_oldest_answer_is_dropped_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    store = Store()
    recent = store.recent()
    await recent.get("a")
    await recent.get("b")
    store.now = KEPT_S  # both are looked up anew; "a" last
    await recent.get("b")
    await recent.get("a")
    await recent.get("c")
    asked = store.asked
    await recent.get("a")
    assert store.asked == asked
    await recent.get("b")
    assert store.asked == asked + 1


async def test_a_key_with_a_value_is_known_until_it_is_forgotten(anyio_backend: str) -> None:
    store = Store()
    recent = store.recent()
    assert not recent.has_found("a")
    await recent.get("a")
    await recent.get("none")
    store.now = 1000 * KEPT_S
    assert (recent.has_found("a"), recent.has_found("none")) == (True, False)
    recent.forget("a")
    assert not recent.has_found("a")


async def test_a_forgotten_key_is_looked_up_anew_at_once(anyio_backend: str) -> None:
    store = Store()
    recent = store.recent()
    await recent.get("a")
    store.values["a"] = "2"
    recent.forget("a")
    assert await recent.get("a") == "2"
