"""An ingest notes the actions that its provider tells of, and those that its bars look like."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from kaboom.bars.actions.adjustment import resolve_actions
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.errors import StoreError
from kaboom.ingest.plan import IngestChunk
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.window import IngestTools
from kaboom.market.action import CorporateAction
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import Outcome, OutcomeReport
from kaboom.providers.base import BarRequest, FetchedBars
from tests.fixtures.bars.raw_bars import clean_session, raw_frame
from tests.fixtures.providers.fake_providers import SERIES, FailingBarStore, FakeProvider

FIRST, SECOND = date(2025, 11, 4), date(2025, 11, 5)
HALF = CorporateAction("7203", SECOND, 0.5)
SOURCE = SERIES.source


class FailingActionStore(MemoryActionStore):
    """A store that is full."""

    async def save(self, source: str, notes: pl.DataFrame) -> None:
        """Raise."""
        raise StoreError("the disk is full", retryable=False)


def splits(*told: CorporateAction, after: float = 1500.0) -> Any:
    """Answer with bars that open the second session at a price, and some actions."""

    def answer(request: BarRequest) -> FetchedBars:
        prices = {FIRST: 3000.0, SECOND: after}
        rows = [
            row
            for symbol in request.symbols
            for day in request.sessions
            for row in clean_session(symbol, day, interval=request.interval, price=prices[day])
        ]
        return FetchedBars(raw_frame(rows), actions=told)

    return answer


def ingest(actions: MemoryActionStore, *answers: Any, store: MemoryBarStore | None = None) -> OutcomeReport:
    now = datetime(2025, 12, 1, tzinfo=UTC)
    kept = store or MemoryBarStore()
    tools = IngestTools(FakeProvider(*answers), kept, actions, Market.TSE_PRIME, frozenset(), lambda: now)
    return asyncio.run(run_chunk(IngestChunk(Interval.M1, ("7203",), (FIRST, SECOND)), tools))


def settled(actions: MemoryActionStore) -> list[tuple[Any, ...]]:
    notes = asyncio.run(actions.load(SOURCE))
    return resolve_actions(notes).select("symbol", "ex_session", "factor", "state").rows()


def test_splits_of_the_provider_are_reported_and_those_in_bars_suspected() -> None:
    told, guessed = MemoryActionStore(), MemoryActionStore()
    report = ingest(told, splits(HALF))
    assert settled(told) == [("7203", SECOND, 0.5, "reported")]
    assert (report.counts["actions_reported"], report.counts["actions_suspected"]) == (1, 1)
    report = ingest(guessed, splits())
    assert settled(guessed) == [("7203", SECOND, 0.5, "suspected")]
    assert "actions_reported" not in report.counts


def test_days_without_any_note_nothing() -> None:
    actions = FailingActionStore()
    report = ingest(actions, splits(after=2990.0))
    assert report.outcomes[0].outcome is Outcome.OK
    assert not [name for name in report.counts if name.startswith("actions")]


def test_bars_are_not_stored_if_saving_their_actions_fails() -> None:
    store = MemoryBarStore()
    report = ingest(FailingActionStore(), splits(HALF), store=store)
    (outcome,) = report.outcomes
    assert (outcome.outcome, outcome.rows, outcome.message) == (Outcome.WRITE_FAILED, 0, "the disk is full")
    assert asyncio.run(store.list_series()) == ()
    assert asyncio.run(store.load_fetch_log(SERIES, first=FIRST, last=SECOND)).is_empty()


def test_actions_are_kept_before_their_bars() -> None:
    actions = MemoryActionStore()
    report = ingest(actions, splits(HALF), store=FailingBarStore(99, retryable=False))
    assert report.outcomes[0].outcome is Outcome.WRITE_FAILED
    assert settled(actions) == [("7203", SECOND, 0.5, "reported")]


def test_taking_bars_again_leaves_a_persons_word() -> None:
    actions = MemoryActionStore()
    ingest(actions, splits(HALF))
    notes = asyncio.run(actions.load(SOURCE)).filter(pl.col("state") == "reported")
    rejected = notes.with_columns(origin=pl.lit("person"), state=pl.lit("rejected"))
    asyncio.run(actions.save(SOURCE, rejected))
    ingest(actions, splits(HALF))
    assert settled(actions) == [("7203", SECOND, 0.5, "rejected")]
