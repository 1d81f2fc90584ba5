"""Planted errors: all in the manifest, all in the data, and nothing else is touched."""

import asyncio
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from kaboom.errors import ProviderError, RateLimited
from kaboom.market.calendar import JST
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market, load_universe
from kaboom.market.outcome import Outcome
from kaboom.market.rules import is_on_tick
from kaboom.providers.base import BarRequest
from tests.fixtures.providers.synthetic_faults.faults import (
    BAR_FAULTS,
    MANIFEST_SCHEMA,
    SESSION_FAULTS,
    Fault,
    SyntheticFaults,
)
from tests.fixtures.providers.synthetic_faults.provider import FaultyProvider
from tests.fixtures.providers.synthetic_faults.transport import TransportFaults

UNIVERSE = load_universe(Market.TSE_PRIME, date(2024, 11, 5))
SYMBOLS = UNIVERSE.symbols[:60]
SESSION = date(2024, 11, 6)
KEY = ["symbol", "opened_at"]
LATER = datetime(2026, 11, 1, tzinfo=UTC)
EVENING = datetime(2024, 11, 6, 18, tzinfo=JST)
#: What each fault may change in a bar that keeps its stamp.
TOUCHED = {
    Fault.OHLC_SWAP: {"high", "low"},
    Fault.NEG_VOLUME: {"volume"},
    Fault.ZERO_PRICE: {"open", "high", "low", "close"},
    Fault.X100_OR_X10: {"open", "high", "low", "close"},
    Fault.OFF_TICK: {"high", "close"},
    Fault.LIMIT_BREACH: {"high"},
    Fault.LATE_CORRECTION: {"high", "low", "close"},
}
VALUES = ("open", "high", "low", "close", "volume")


def provider(faults: SyntheticFaults | None, now: datetime = LATER) -> FaultyProvider:
    return FaultyProvider(seed=21, clock=lambda: now, faults=faults)


def fetch(source: FaultyProvider, interval: Interval = Interval.M1) -> pl.DataFrame:
    return asyncio.run(source.fetch_bars(BarRequest(SYMBOLS, interval, (SESSION,)))).bars


def only(fault: Fault, rate: float) -> SyntheticFaults:
    return replace(SyntheticFaults.none(), **{fault.value: rate})


@pytest.fixture(scope="module")
def clean() -> pl.DataFrame:
    return fetch(provider(None))


def test_rates_and_kinds_are_the_same_list() -> None:
    assert [f.name for f in fields(SyntheticFaults)] == [fault.value for fault in (*SESSION_FAULTS, *BAR_FAULTS)]


def test_no_faults_by_default(clean: pl.DataFrame) -> None:
    assert provider(None).manifest_for(SYMBOLS, [SESSION], Interval.M1).is_empty()
    assert fetch(provider(SyntheticFaults.none())).equals(clean)


@pytest.mark.parametrize("fault", sorted(TOUCHED))
def test_fault_changes_its_own_values_in_the_bars_of_the_manifest_only(clean: pl.DataFrame, fault: Fault) -> None:
    source = provider(only(fault, 0.05 if fault in BAR_FAULTS else 0.5), EVENING)
    manifest = source.manifest_for(SYMBOLS, [SESSION], Interval.M1)
    both = clean.join(fetch(source), on=KEY, how="full", coalesce=True, validate="1:1")
    differs = {v: pl.col(v).ne_missing(pl.col(f"{v}_right")) for v in VALUES}
    changed = both.filter(pl.any_horizontal(*differs.values()))
    assert manifest.height > 10
    assert set(manifest["fault"]) == {fault.value}
    assert set(changed.select(KEY).rows()) == set(manifest.select(KEY).rows())
    assert {v for v in VALUES if changed.select(differs[v].any()).item()} <= TOUCHED[fault]


@pytest.mark.parametrize("fault", [Fault.MISSING_MINUTE, Fault.MISSING_BLOCK, Fault.AUCTION_MISSING])
def test_missing_bars_are_the_ones_of_the_manifest(clean: pl.DataFrame, fault: Fault) -> None:
    source = provider(only(fault, 0.05 if fault in BAR_FAULTS else 0.5))
    manifest = source.manifest_for(SYMBOLS, [SESSION], Interval.M1)
    left = fetch(source)
    assert manifest.height > 10
    assert left.sort(KEY).equals(clean.join(manifest, on=KEY, how="anti").sort(KEY))
    assert manifest.join(clean, on=KEY, how="anti").is_empty()


def test_block_is_ten_to_sixty_minutes_long() -> None:
    manifest = provider(only(Fault.MISSING_BLOCK, 1.0)).manifest_for(SYMBOLS, [SESSION], Interval.M1)
    spans = manifest.group_by("symbol").agg(pl.col("opened_at").max() - pl.col("opened_at").min())
    assert spans.filter(pl.col("opened_at") > timedelta(minutes=60)).is_empty()
    # A thin issue may have had no bar in the minutes that were to go.
    assert manifest["symbol"].n_unique() > 0.9 * len(SYMBOLS)


def test_missing_symbol_is_silent(clean: pl.DataFrame) -> None:
    source = provider(only(Fault.MISSING_SYMBOL, 0.3))
    manifest = source.manifest_for(SYMBOLS, [SESSION], Interval.M1)
    fetched = asyncio.run(source.fetch_bars(BarRequest(SYMBOLS, Interval.M1, (SESSION,))))
    missing = set(manifest["symbol"])
    assert 5 < len(missing) < 40
    assert fetched.bars.equals(clean.filter(~pl.col("symbol").is_in(missing)))
    assert not missing & set(fetched.outcomes)


def test_duplicate_comes_before_the_true_bar(clean: pl.DataFrame) -> None:
    source = provider(only(Fault.DUP, 0.05))
    manifest = source.manifest_for(SYMBOLS, [SESSION], Interval.M1)
    bars = fetch(source)
    assert bars.height == clean.height + manifest.height
    assert bars.unique(KEY, keep="last", maintain_order=True).equals(clean)
    assert bars.unique().height == bars.height  # an exact copy would be harmless
    twice = bars.filter(pl.struct(KEY).is_duplicated()).select(KEY).unique()
    assert twice.sort(KEY).equals(manifest.select(KEY).sort(KEY))


def test_future_bars_are_added(clean: pl.DataFrame) -> None:
    source = provider(only(Fault.FUTURE_BAR, 0.02))
    manifest = source.manifest_for(SYMBOLS, [SESSION], Interval.M1)
    added = fetch(source).join(clean, on=KEY, how="anti")
    assert added.select(KEY).sort(KEY).equals(manifest.select(KEY).sort(KEY))
    assert added.height > 10
    assert added.filter(pl.col("opened_at") <= LATER).is_empty()


def test_zone_shift_is_nine_hours(clean: pl.DataFrame) -> None:
    source = provider(only(Fault.TZ_SHIFT_9H, 0.3))
    shifted = source.manifest_for(SYMBOLS, [SESSION], Interval.M1)
    assert set(shifted["opened_at"]) == {None}
    hit = pl.col("symbol").is_in(shifted["symbol"].to_list())
    wanted = clean.with_columns(
        opened_at=pl.when(hit).then(pl.col("opened_at") + timedelta(hours=9)).otherwise("opened_at")
    )
    assert fetch(source).sort(KEY).equals(wanted.sort(KEY))


def test_stale_day_repeats_the_session_before(clean: pl.DataFrame) -> None:
    source = provider(only(Fault.STALE_DAY, 0.3))
    stale = source.manifest_for(SYMBOLS, [SESSION], Interval.M1)["symbol"].to_list()
    before = BarRequest(SYMBOLS, Interval.M1, (date(2024, 11, 5),))
    old = asyncio.run(provider(None).fetch_bars(before)).bars.filter(pl.col("symbol").is_in(stale))
    old = old.with_columns(pl.col("opened_at") + timedelta(days=1))
    wanted = pl.concat([clean.filter(~pl.col("symbol").is_in(stale)), old]).sort(KEY)
    assert len(stale) > 5
    assert fetch(source).sort(KEY).equals(wanted)


@pytest.mark.parametrize(
    ("fault", "low", "high"), [(Fault.UNADJUSTED_SPLIT, 1.9, 10.2), (Fault.EARLY_SPLIT, 0.09, 0.55)]
)
def test_split_faults_rescale_whole_sessions(clean: pl.DataFrame, fault: Fault, low: float, high: float) -> None:
    source = provider(only(fault, 0.3))
    hit = source.manifest_for(SYMBOLS, [SESSION], Interval.M1)["symbol"].to_list()
    both = clean.join(fetch(source), on=KEY, validate="1:1")
    ratio = both.with_columns(ratio=pl.col("close_right") / pl.col("close"))
    assert len(hit) > 5
    assert both.height == clean.height
    assert ratio.filter(~pl.col("symbol").is_in(hit))["ratio"].unique().to_list() == [1.0]
    assert ratio.filter(pl.col("symbol").is_in(hit))["ratio"].is_between(low, high).all()
    rescaled = ratio.filter(pl.col("symbol").is_in(hit))
    fine = rescaled["symbol"].is_in(UNIVERSE.topix500).to_numpy()
    assert is_on_tick(rescaled["close_right"].to_numpy(), fine).all()


def test_late_correction_is_small_and_gone_the_next_day(clean: pl.DataFrame) -> None:
    faults = only(Fault.LATE_CORRECTION, 0.5)
    both = clean.join(fetch(provider(faults, EVENING)), on=KEY, validate="1:1")
    change = both.select((pl.col("close_right") / pl.col("close") - 1).abs().max()).item()
    assert 0 < change <= 0.0101
    next_day = provider(faults, EVENING + timedelta(days=1))
    assert fetch(next_day).sort(KEY).equals(clean.sort(KEY))
    assert next_day.manifest_for(SYMBOLS, [SESSION], Interval.M1).is_empty()


@pytest.mark.parametrize("interval", list(Interval))
def test_all_faults_at_once_are_all_in_the_manifest(interval: Interval) -> None:
    rates = {f.name: 0.02 for f in fields(SyntheticFaults)}
    source = provider(SyntheticFaults(**rates), EVENING)
    manifest = source.manifest_for(SYMBOLS, [SESSION], interval)
    assert manifest.schema == MANIFEST_SCHEMA
    clean = fetch(provider(None, EVENING), interval)
    dirty = fetch(source, interval)
    whole = manifest.filter(pl.col("opened_at").is_null())["symbol"].to_list()
    at = manifest.drop_nulls("opened_at").select(KEY)
    rest = ~pl.col("symbol").is_in(whole)
    untouched = clean.filter(rest).join(at, on=KEY, how="anti")
    assert dirty.filter(rest).join(at, on=KEY, how="anti").sort(KEY).equals(untouched.sort(KEY))


def test_chunks_have_the_same_faults() -> None:
    source = provider(SyntheticFaults())
    one_by_one = pl.concat(
        [asyncio.run(source.fetch_bars(BarRequest((symbol,), Interval.M1, (SESSION,)))).bars for symbol in SYMBOLS[:20]]
    )
    together = asyncio.run(source.fetch_bars(BarRequest(SYMBOLS[:20], Interval.M1, (SESSION,)))).bars
    order = [*KEY, "volume"]
    assert one_by_one.sort(order).equals(together.sort(order))


class TestTransport:
    def call(self, faults: TransportFaults, attempt: int = 1, symbols: tuple[str, ...] = SYMBOLS[:10]) -> object:
        source = FaultyProvider(seed=2, clock=lambda: LATER, transport=faults)
        return asyncio.run(source.fetch_bars(BarRequest(symbols, Interval.D1, (SESSION,), attempt)))

    def test_refusal_says_when_to_come_back(self) -> None:
        with pytest.raises(RateLimited, match="429") as caught:
            self.call(TransportFaults(p_429=1.0, retry_after_s=7.0))
        assert caught.value.retry_after_s == 7.0

    @pytest.mark.parametrize("field", ["p_5xx", "p_timeout"])
    def test_failure_of_the_call_is_retryable(self, field: str) -> None:
        with pytest.raises(ProviderError) as caught:
            self.call(TransportFaults(**{field: 1.0}))
        assert caught.value.retryable

    def test_same_attempt_fails_alike_and_a_later_one_succeeds(self) -> None:
        faults = TransportFaults(p_5xx=0.5)
        results = []
        for _ in range(2):
            for attempt in range(1, 9):
                try:
                    self.call(faults, attempt)
                except ProviderError:
                    results.append(False)
                else:
                    results.append(True)
        assert results[:8] == results[8:]
        assert 0 < sum(results[:8]) < 8

    @pytest.mark.parametrize(("field", "text"), [("p_truncated", "broke off"), ("p_empty_200", "empty body")])
    def test_corrupt_answers_fail_only_their_symbols(self, field: str, text: str) -> None:
        source = FaultyProvider(seed=2, clock=lambda: LATER, transport=TransportFaults(**{field: 0.3}))
        request = BarRequest(SYMBOLS, Interval.D1, (SESSION,))
        fetched = asyncio.run(source.fetch_bars(request))
        assert 5 < len(fetched.outcomes) < 40
        for outcome in fetched.outcomes.values():
            assert outcome.outcome is Outcome.PROVIDER_ERROR
            assert text in outcome.message
        assert set(fetched.bars["symbol"]) == set(SYMBOLS) - set(fetched.outcomes)
        again = asyncio.run(source.fetch_bars(replace(request, attempt=2)))
        assert set(again.outcomes) != set(fetched.outcomes)
        assert set(again.outcomes)

    def test_latency_is_drawn_around_its_median(self) -> None:
        faults = TransportFaults(latency_s=0.2)
        draws = sorted(faults.draw_latency(2, BarRequest(SYMBOLS, Interval.D1, (SESSION,), n)) for n in range(101))
        assert draws[50] == pytest.approx(0.2, rel=0.3)
        assert draws[0] < 0.15
        assert draws[-1] > 0.3
