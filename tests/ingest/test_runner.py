"""What becomes of every symbol of a chunk, whatever the provider and the store do."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from structlog.testing import CapturingLogger

from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.bars.store import BarStore
from kaboom.errors import ProviderError, RateLimited, StoreError
from kaboom.ingest import window
from kaboom.ingest.plan import IngestChunk, IngestPlan
from kaboom.ingest.run_daily import InProcessExecutor
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.window import IngestTools
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import sessions_between
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from kaboom.market.outcome import Outcome, OutcomeReport
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from tests.fixtures.bars.raw_bars import clean_session, raw_bar, raw_frame
from tests.fixtures.providers.fake_providers import (
    SERIES,
    FailingBarStore,
    FakeProvider,
    PickyBarStore,
    fail_with,
    give,
    give_one,
    say,
    spoken,
)
from tests.fixtures.providers.synthetic_faults.provider import FaultyProvider
from tests.fixtures.providers.synthetic_faults.transport import TransportFaults

NOV_4 = date(2025, 11, 4)
NOW = datetime(2025, 12, 1, tzinfo=UTC)
BARS = 327


def tools(provider: BarProvider, store: BarStore | None = None, **values: Any) -> IngestTools:
    defaults: dict[str, Any] = {
        "actions": MemoryActionStore(),
        "market": Market.TSE_PRIME,
        "topix500": frozenset(),
        "clock": lambda: NOW,
    }
    return IngestTools(provider=provider, store=store or MemoryBarStore(), **(defaults | values))


def chunk(*symbols: str, sessions: Sequence[date] = (NOV_4,), interval: Interval = Interval.M1) -> IngestChunk:
    return IngestChunk(interval, symbols or ("1301", "1332", "7203", "6758", "9984"), tuple(sessions))


def run(part: IngestChunk, with_tools: IngestTools, **values: Any) -> OutcomeReport:
    report = asyncio.run(run_chunk(part, with_tools, **values))
    assert sum(report.by_outcome().values()) == len(report.outcomes)
    return report


def words(report: OutcomeReport) -> dict[str, str]:
    return {o.symbol: o.outcome.value for o in report.outcomes}


def held(with_tools: IngestTools, session: date = NOV_4) -> pl.DataFrame:
    return asyncio.run(with_tools.store.read_session(SERIES, session))


class TestOutcomes:
    def test_every_symbol_has_one_in_the_order_asked_and_its_rows_are_stored(self) -> None:
        with_tools = tools(FakeProvider())
        report = run(chunk(), with_tools)
        assert tuple(o.symbol for o in report.outcomes) == chunk().symbols
        assert {o.outcome for o in report.outcomes} == {Outcome.OK}
        assert report.rows == len(held(with_tools)) == 5 * BARS
        assert len(report.by_outcome()) == 7

    def test_the_synthetic_provider_with_faults_loses_nobody(self) -> None:
        faulty = TransportFaults(p_truncated=0.3, p_empty_200=0.3)
        provider = FaultyProvider(seed=3, clock=lambda: NOW, transport=faulty)
        symbols = load_universe(Market.TSE_PRIME, NOW.date()).symbols[:100]
        report = run(chunk(*symbols, interval=Interval.D1), tools(provider, fetch_attempts=1))
        assert tuple(o.symbol for o in report.outcomes) == symbols
        found = report.by_outcome()
        assert found[Outcome.PROVIDER_ERROR] > 30
        assert found[Outcome.OK] + found[Outcome.PROVIDER_ERROR] == 100

    def test_the_outcome_of_the_provider_is_used_for_a_symbol_without_rows(self) -> None:
        answer = say(spoken("1301", Outcome.NOT_LISTED), spoken("1332", Outcome.NO_TRADES))
        report = run(chunk("1301", "1332"), tools(FakeProvider(answer)))
        assert words(report) == {"1301": "not_listed", "1332": "no_trades"}
        assert report.outcomes[0].message == "said so"

    def test_a_silent_provider_is_at_fault(self) -> None:
        provider = FakeProvider(lambda request: give(request, only=["1301"]))
        report = run(chunk("1301", "1332"), tools(provider, fetch_attempts=1))
        assert words(report) == {"1301": "ok", "1332": "provider_error"}
        assert report.outcomes[1].message == "the provider returned neither bars nor a reason"

    def test_rows_without_values_are_no_trades(self) -> None:
        empty = dict.fromkeys(("open", "high", "low", "close", "volume"))
        row = raw_bar("1301", datetime(2025, 11, 4, tzinfo=UTC), **empty)
        report = run(chunk("1301"), tools(FakeProvider(say(bars=raw_frame([row])))))
        assert words(report) == {"1301": "no_trades"}

    def test_rows_that_are_all_refused_are_invalid_and_kept_apart(self) -> None:
        rows = [raw_bar("1301", datetime(2025, 11, 4, 0, m, tzinfo=UTC), volume=-1.0) for m in range(3)]
        with_tools = tools(FakeProvider(say(bars=raw_frame(rows))))
        report = run(chunk("1301"), with_tools)
        assert words(report) == {"1301": "invalid"}
        assert report.outcomes[0].message == (
            "every row was rejected: bad_volume"
            " (at 2025-11-04 09:00, with open 2000, high 2000, low 2000, close 2000, volume -1)"
        )
        assert report.counts["quarantined"] == 3
        assert held(with_tools).is_empty()
        assert asyncio.run(with_tools.store.read_quarantine(SERIES))["reason"].to_list() == ["bad_volume"] * 3

    def test_some_rows_and_a_fault_are_a_fault(self) -> None:
        bars = give(BarRequest(("1301",), Interval.M1, (NOV_4,))).bars.head(5)
        answer = say(spoken("1301", Outcome.PROVIDER_ERROR, "a file was cut off"), bars=bars)
        with_tools = tools(FakeProvider(answer), fetch_attempts=1)
        report = run(chunk("1301"), with_tools)
        assert words(report) == {"1301": "provider_error"}
        assert (report.outcomes[0].message, report.rows) == ("a file was cut off", 5)
        assert len(held(with_tools)) == 5


class TestAgain:
    def test_what_may_be_retried_is_and_then_is_fine(self) -> None:
        provider = FakeProvider(fail_with(ProviderError("status was 503, expected 200", retryable=True)))
        report = run(chunk("1301", "1332"), tools(provider))
        assert words(report) == {"1301": "ok", "1332": "ok"}
        assert [(r.symbols, r.attempt) for r in provider.requests] == [(("1301", "1332"), n) for n in (1, 2)]

    def test_only_the_symbols_that_failed_are_asked_for_again(self) -> None:
        def half(request: BarRequest) -> Any:
            fetched = give(request, only=["1301"])
            return replace(fetched, outcomes={"1332": spoken("1332", Outcome.RATE_LIMITED)})

        provider = FakeProvider(half)
        report = run(chunk("1301", "1332"), tools(provider))
        assert words(report) == {"1301": "ok", "1332": "ok"}
        assert [r.symbols for r in provider.requests] == [("1301", "1332"), ("1332",)]
        assert report.rows == 2 * BARS

    def test_an_error_that_another_try_does_not_help_is_not_tried_again(self) -> None:
        provider = FakeProvider(fail_with(ProviderError("status was 404, expected 200")))
        report = run(chunk("1301"), tools(provider))
        assert words(report) == {"1301": "provider_error"}
        assert (report.outcomes[0].message, report.outcomes[0].attempts) == ("status was 404, expected 200", 1)
        assert len(provider.requests) == 1

    def test_after_the_last_try_the_reason_and_the_tries_are_reported(self) -> None:
        provider = FakeProvider(*[fail_with(ProviderError("no answer in time", retryable=True))] * 2)
        report = run(chunk("1301"), tools(provider, fetch_attempts=2))
        assert (report.outcomes[0].outcome, report.outcomes[0].attempts) == (Outcome.PROVIDER_ERROR, 2)
        assert len(provider.requests) == 2

    def test_a_short_pause_asked_for_is_taken(self) -> None:
        provider = FakeProvider(fail_with(RateLimited("status was 429", retry_after_s=0.01)))
        assert words(run(chunk("1301"), tools(provider))) == {"1301": "ok"}

    def test_a_pause_of_just_the_longest_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(window, "_LONGEST_FETCH_PAUSE_S", 0.05)
        provider = FakeProvider(fail_with(RateLimited("slow down", retry_after_s=0.05)))
        assert words(run(chunk("1301"), tools(provider))) == {"1301": "ok"}

    def test_a_too_long_pause_fails_its_symbols_only(self) -> None:
        provider = FakeProvider(fail_with(RateLimited("status was 429", retry_after_s=3600)))
        report = run(chunk("1301", "1332", "7203"), tools(provider))
        assert words(report) == {"1301": "rate_limited", "1332": "rate_limited", "7203": "ok"}
        assert len(provider.requests) == 2

    def test_a_short_pause_returns_to_the_caller_with_the_progress(self) -> None:
        heard: list[int] = []
        provider = FakeProvider(give, fail_with(RateLimited("status was 429", retry_after_s=300)))
        with pytest.raises(RateLimited, match="status was 429") as caught:
            run(
                chunk("1301", "1332", "7203"),
                tools(provider, patience_s=300.0),
                on_progress=lambda report: heard.append(len(report.outcomes)),
            )
        assert (caught.value.retry_after_s, heard) == (300, [2])

    def test_short_pauses_that_do_not_end_become_a_real_one(self) -> None:
        provider = FakeProvider(*[fail_with(RateLimited("status was 429", retry_after_s=0.001))] * 2)
        with pytest.raises(RateLimited) as caught:
            run(chunk("1301"), tools(provider, fetch_attempts=2, patience_s=60.0))
        assert caught.value.retry_after_s == 30.0


class TestStore:
    def test_a_write_that_fails_for_good_fails_the_symbols_that_had_rows(self) -> None:
        provider = FakeProvider(lambda r: replace(give(r, only=["1301"]), outcomes={"1332": no_trades("1332")}))
        report = run(chunk("1301", "1332"), tools(provider, FailingBarStore(9, retryable=False)))
        assert words(report) == {"1301": "write_failed", "1332": "no_trades"}
        assert report.outcomes[0].message == "disk was full, expected 16 MB free"
        assert report.rows == 0

    def test_a_symbol_is_not_invalid_if_saving_its_rejected_rows_fails(self) -> None:
        class Full(MemoryBarStore):
            async def quarantine(self, series: BarSeries, rows: pl.DataFrame) -> int:
                raise StoreError("the disk is full", retryable=False)

        rows = [raw_bar("1301", datetime(2025, 11, 4, 0, m, tzinfo=UTC), volume=-1.0) for m in range(3)]
        report = run(chunk("1301"), tools(FakeProvider(say(bars=raw_frame(rows))), Full()))
        assert words(report) == {"1301": "write_failed"}
        assert report.outcomes[0].message == "the disk is full"

    def test_a_write_that_fails_once_is_tried_again(self) -> None:
        with_tools = tools(FakeProvider(), FailingBarStore(1))
        assert words(run(chunk("1301"), with_tools)) == {"1301": "ok"}
        assert len(held(with_tools)) == BARS

    def test_a_store_that_asks_for_a_long_pause_is_not_asked_again(self) -> None:
        store = FailingBarStore(1, retry_after_s=60.0)
        report = run(chunk("1301"), tools(FakeProvider(), store))
        assert words(report) == {"1301": "write_failed"}
        assert store.failures == 0

    @pytest.mark.parametrize("retryable", [True, False])
    def test_only_an_outage_of_the_store_is_raised_to_a_caller_who_waits(self, retryable: bool) -> None:  # noqa: FBT001
        with_tools = tools(FakeProvider(), FailingBarStore(9, retryable=retryable), waits_for_store=True)
        if retryable:
            with pytest.raises(StoreError, match="disk was full"):
                run(chunk("1301"), with_tools)
        else:
            assert words(run(chunk("1301"), with_tools)) == {"1301": "write_failed"}

    def test_a_caller_who_waits_for_the_store_goes_on_after_what_was_settled(self) -> None:
        store, heard = FailingBarStore(0), list[int]()

        def hear(report: OutcomeReport) -> None:
            heard.append(len(report.outcomes))
            store.failures = 3

        with_tools = tools(FakeProvider(), store, waits_for_store=True)
        with pytest.raises(StoreError):
            run(chunk("1301", "1332", "7203"), with_tools, on_progress=hear)
        assert heard == [2]
        assert words(run(chunk("1301", "1332", "7203"), with_tools, start=2)) == {"7203": "ok"}

    def test_a_store_error_with_a_long_pause_fails_its_symbol(self) -> None:
        with_tools = tools(FakeProvider(), FailingBarStore(1, retry_after_s=60.0), waits_for_store=True)
        assert words(run(chunk("1301"), with_tools)) == {"1301": "write_failed"}

    @pytest.mark.parametrize("lost", [1, BARS])
    def test_bars_that_the_store_refuses_fail_their_symbol_alone(self, lost: int) -> None:
        with_tools = tools(FakeProvider(), PickyBarStore("1332", lost))
        report = run(chunk("1301", "1332"), with_tools)
        assert words(report) == {"1301": "ok", "1332": "write_failed"}
        assert report.outcomes[1].message == f"the store refused {lost} of {BARS} bars: too old"
        assert report.outcomes[1].rows == BARS - lost
        assert report.rows == len(held(with_tools)) == 2 * BARS - lost
        assert report.counts["refused_by_store"] == lost

    def test_a_failed_slice_does_not_stop_the_next(self) -> None:
        with_tools = tools(FakeProvider(), FailingBarStore(1, retryable=False))
        report = run(chunk("1301", "1332", "7203"), with_tools)
        assert words(report) == {"1301": "write_failed", "1332": "write_failed", "7203": "ok"}

    def test_a_store_that_cannot_even_be_read_breaks_the_chunk(self) -> None:
        class Unreadable(MemoryBarStore):
            async def last_closes(self, *_arguments: object, **_keywords: object) -> dict[str, float]:
                raise StoreError("disk was gone", retryable=False)

        with pytest.raises(StoreError, match="disk was gone"):
            run(chunk("1301"), tools(FakeProvider(), Unreadable()))


def no_trades(symbol: str) -> Any:
    return spoken(symbol, Outcome.NO_TRADES)


class TestCursor:
    def test_from_any_cursor_the_rest_brings_the_same_rows(self) -> None:
        whole = tools(FakeProvider())
        run(chunk(), whole)
        for start in range(6):
            parts = tools(FakeProvider())
            first = run(replace(chunk(), symbols=chunk().symbols[:start]), parts) if start else OutcomeReport()
            rest = run(chunk(), parts, start=start)
            assert tuple(o.symbol for o in (first + rest).outcomes) == chunk().symbols
            assert held(parts).equals(held(whole))

    def test_twice_the_same_chunk_leaves_the_same_rows(self) -> None:
        with_tools = tools(FakeProvider())
        run(chunk(), with_tools)
        before = held(with_tools)
        assert run(chunk(), with_tools).rows == before.height
        assert held(with_tools).equals(before)

    def test_progress_is_reported_after_each_slice_when_its_rows_are_durable(self) -> None:
        with_tools, heard = tools(FakeProvider()), []

        async def whole() -> None:
            def listen(part: OutcomeReport) -> None:
                heard.append((len(part.outcomes), part.rows, with_tools.store._bars[SERIES].height))  # type: ignore[attr-defined]

            await run_chunk(chunk(), with_tools, on_progress=listen)

        asyncio.run(whole())
        assert heard == [(n, n * BARS, n * BARS) for n in (2, 4, 5)]

    def test_it_stops_between_slices_when_asked(self) -> None:
        provider, answers = FakeProvider(), iter([False, True])
        report = run(chunk(), tools(provider), should_stop=lambda: next(answers))
        assert tuple(o.symbol for o in report.outcomes) == chunk().symbols[:2]
        # The next slice was asked for while the first was written.
        assert len(provider.requests) == 2

    def test_a_bulk_provider_is_asked_for_all_symbols_at_once(self) -> None:
        provider = FakeProvider(bulk=True)
        report = run(chunk(), tools(provider), start=1)
        assert [r.symbols for r in provider.requests] == [chunk().symbols[1:]]
        assert len(report.outcomes) == 4

    def test_one_of_whole_months_is_asked_for_all_their_sessions_at_once(self) -> None:
        november = sessions_between(NOV_4, date(2025, 11, 28))
        provider = FakeProvider(bulk=True)
        run(chunk(sessions=november, interval=Interval.D1), tools(provider))
        assert [(r.symbols, r.sessions) for r in provider.requests] == [(chunk().symbols, november)]
        # Over two months it is a few symbols at a time, as any.
        provider = FakeProvider(bulk=True)
        run(chunk(sessions=(date(2025, 10, 31), NOV_4), interval=Interval.D1), tools(provider))
        assert [len(r.symbols) for r in provider.requests] == [2, 2, 1]


class TestWindows:
    #: 300 symbols of 327 bars are 98,100 bars: two sessions fit in a window of 250,000.
    SYMBOLS = tuple(str(1301 + n) for n in range(300))
    SESSIONS = sessions_between(date(2025, 11, 4), date(2025, 11, 10))

    def test_many_sessions_are_taken_in_windows_that_fit_in_memory(self) -> None:
        provider = FakeProvider(*[give_one] * 3, symbols_per_fetch=300)
        report = run(chunk(*self.SYMBOLS, sessions=self.SESSIONS), tools(provider))
        assert [len(r.sessions) for r in provider.requests] == [2, 2, 1]
        assert tuple(day for r in provider.requests for day in r.sessions) == self.SESSIONS
        assert [o.rows for o in report.outcomes] == [5] * 300

    def test_over_windows_a_fault_outweighs_bars_and_bars_outweigh_silence(self) -> None:
        def second(request: BarRequest) -> Any:
            fetched = give_one(replace(request, symbols=self.SYMBOLS[2:]))
            outcomes = {"1301": spoken("1301", Outcome.PROVIDER_ERROR), "1302": no_trades("1302")}
            return replace(fetched, outcomes=outcomes)

        provider = FakeProvider(give_one, second, give_one, symbols_per_fetch=300)
        report = run(chunk(*self.SYMBOLS, sessions=self.SESSIONS), tools(provider, fetch_attempts=1))
        first, other, third = report.outcomes[:3]
        assert (first.outcome, first.rows) == (Outcome.PROVIDER_ERROR, 3)
        assert (other.outcome, other.rows) == (Outcome.OK, 3)
        assert (third.outcome, third.rows) == (Outcome.OK, 5)

    def test_days_on_which_the_tse_rests_have_windows_too(self) -> None:
        holiday = date(2024, 11, 4)
        rows = [raw_bar("SPY", datetime(2024, 11, 4, tzinfo=UTC))]
        provider = FakeProvider(say(bars=raw_frame(rows)))
        part = chunk("SPY", sessions=(holiday,), interval=Interval.D1)
        report = run(part, tools(provider, market=Market.FILE))
        assert words(report) == {"SPY": "ok"}


class TestRepeats:
    @pytest.mark.parametrize("interval", [Interval.M1, Interval.D1])
    def test_bars_of_friday_under_mondays_stamps_are_stale(self, interval: Interval) -> None:
        friday, monday = date(2025, 11, 7), date(2025, 11, 10)

        def repeat(request: BarRequest) -> FetchedBars:
            (day,) = request.sessions
            rows = clean_session("7203", friday, interval=interval)
            return FetchedBars(raw_frame(row | {"opened_at": row["opened_at"] + (day - friday)} for row in rows))

        with_tools = tools(FakeProvider(repeat, repeat))
        first, second = (run(chunk("7203", sessions=(d,), interval=interval), with_tools) for d in (friday, monday))
        assert "flag_stale" not in first.counts
        assert second.counts["flag_stale"] == second.rows


class TestExecutor:
    def test_chunks_run_in_turn(self) -> None:
        chunks = (chunk("1301", "1332", "7203"), chunk("6758"))
        plan = IngestPlan(NOV_4, True, "fake", {}, chunks)  # noqa: FBT003
        report = asyncio.run(InProcessExecutor(tools(FakeProvider())).run(plan))
        assert tuple(o.symbol for o in report.outcomes) == ("1301", "1332", "7203", "6758")

    def test_pauses_are_slept_through_until_patience_ends(self) -> None:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        blocked = fail_with(RateLimited("status was 429", retry_after_s=100))
        provider = FakeProvider(give, blocked, blocked, give, blocked)
        chunks = (chunk("1301", "1332", "7203"), chunk("6758", "9984"))
        plan = IngestPlan(NOV_4, True, "fake", {}, chunks)  # noqa: FBT003
        executor = InProcessExecutor(tools(provider, patience_s=250.0), sleep=sleep)
        report = asyncio.run(executor.run(plan))
        assert slept == [100, 100]
        ok, limited = ["1301", "1332", "7203"], ["6758", "9984"]
        assert words(report) == dict.fromkeys(ok, "ok") | dict.fromkeys(limited, "rate_limited")


class TestNotes:
    def test_windows_end_where_a_session_is_left_out(self) -> None:
        provider = FakeProvider(symbols_per_fetch=10)
        days = sessions_between(date(2025, 10, 27), NOV_4)
        run(chunk("1301", sessions=[*days[:2], *days[3:]]), tools(provider))
        assert [request.sessions for request in provider.requests] == [days[:2], days[3:]]

    def test_an_answer_is_noted_with_the_time_before_the_question(self) -> None:
        times = iter([NOW, NOW.replace(hour=1), NOW.replace(hour=2)])
        answer = say(spoken("1301", Outcome.NO_TRADES), spoken("1332", Outcome.PROVIDER_ERROR))
        with_tools = tools(FakeProvider(answer), fetch_attempts=1, clock=lambda: next(times))
        run(chunk("1301", "1332"), with_tools)
        noted = asyncio.run(with_tools.store.load_fetch_log(SERIES, first=NOV_4, last=NOV_4))
        assert noted.rows() == [("1301", NOV_4, 0, NOW)]

    def test_a_failure_to_save_notes_fails_no_symbol(self) -> None:
        class Forgetful(MemoryBarStore):
            async def save_fetch_log(self, series: BarSeries, asked: pl.DataFrame) -> None:
                raise StoreError("the disk was full")

        report = run(chunk("1301"), tools(FakeProvider(), Forgetful()))
        assert words(report) == {"1301": "ok"}

    def test_so_many_corrections_are_logged_and_all_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        log = CapturingLogger()
        monkeypatch.setattr(window, "_log", log)
        with_tools = tools(FakeProvider(), correction_lines=3)
        run(chunk(), with_tools)
        kept = held(with_tools)
        wrong = kept.with_columns(close=pl.col("close") + 1, high=pl.col("high") + 1)
        asyncio.run(with_tools.store.write(SERIES, wrong))
        report = run(chunk(), with_tools)
        assert report.counts["corrected"] == kept.height
        assert [call.args for call in log.calls] == [("bar_corrected",)] * 3
        line = log.calls[0].kwargs
        assert (line["symbol"], line["opened_at"]) == ("1301", "2025-11-04T00:00:00Z")
        old, new = ([float(value) for value in line[name].split()] for name in ("old", "new"))
        assert [a - b for a, b in zip(old, new, strict=True)] == [0, 1, 0, 1, 0]

    def test_the_windows_of_a_slice_share_the_lines_of_its_corrections(self, monkeypatch: pytest.MonkeyPatch) -> None:
        log = CapturingLogger()
        monkeypatch.setattr(window, "_log", log)
        with_tools = tools(FakeProvider(), correction_lines=3)
        # A session is left out between them, so each is a window of its own.
        days = (date(2025, 11, 4), date(2025, 11, 6), date(2025, 11, 10))
        part = chunk("1301", sessions=days, interval=Interval.D1)
        run(part, with_tools)
        daily = BarSeries("fake", Interval.D1)
        for day in days:
            kept = asyncio.run(with_tools.store.read_session(daily, day))
            asyncio.run(with_tools.store.write(daily, kept.with_columns(pl.col("volume") + 100)))
        report = run(part, replace(with_tools, correction_lines=2))
        assert report.counts["corrected"] == 3
        assert [call.kwargs["opened_at"][:10] for call in log.calls] == ["2025-11-04", "2025-11-06"]
