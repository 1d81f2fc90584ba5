"""What the quality rules catch of what the synthetic provider plants, measured; the reference page has the figures."""

import asyncio
from collections.abc import Iterator
from functools import cache

import polars as pl
import pytest

from kaboom.bars.memory import MemoryBarStore
from kaboom.market.bar import BarFlag
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome
from tests.fixtures.providers.recall import CELL, FLAGGED, REFUSED, SESSIONS, TAKES_AWAY, Lab, Recall
from tests.fixtures.providers.synthetic_faults.faults import Fault, SyntheticFaults
from tests.fixtures.repo.repository import load_text

LEAST_SOFT = 0.95
MOST_FALSE = 0.001
#: Of minutes alone no rule can see these, where a thin issue's silence looks the same: what is caught, at least.
HIDDEN = {Fault.MISSING_MINUTE: 0.03, Fault.MISSING_BLOCK: 0.8}
#: They need minutes.
OF_MINUTES = {Fault.MISSING_BLOCK, Fault.MISSING_MINUTE, Fault.AUCTION_MISSING}
KINDS = [(Interval.M1, f) for f in Fault] + [(Interval.D1, f) for f in Fault if f not in OF_MINUTES]
FALSE = [(Interval.M1, None), (Interval.M1, SyntheticFaults()), (Interval.D1, None), (Interval.D1, SyntheticFaults())]


@cache
def measure(interval: Interval, fault: Fault) -> Recall:
    return Lab(interval).measure(fault)


@cache
def hold_against_days(fault: Fault) -> Recall:
    return Lab(Interval.M1).hold_against_days(fault)


@cache
def suspect(interval: Interval, faults: SyntheticFaults | None) -> tuple[int, pl.DataFrame]:
    return Lab(interval, every=8).suspect(faults)


@pytest.mark.parametrize(("interval", "fault"), KINDS)
def test_planted_errors_are_caught(interval: Interval, fault: Fault) -> None:
    found = measure(interval, fault)
    assert found.planted.height > 90
    if fault in REFUSED or fault is Fault.MISSING_SYMBOL:
        assert found.escaped.is_empty()
    else:
        assert found.share >= HIDDEN.get(fault, LEAST_SOFT), found.escaped


@pytest.mark.parametrize("fault", sorted(TAKES_AWAY))
def test_with_daily_bars_a_roll_up_finds_removed_minutes(fault: Fault) -> None:
    found = hold_against_days(fault)
    assert found.planted.height > 90
    assert found.share >= LEAST_SOFT, found.escaped


def test_minutes_differ_from_their_day_only_after_a_provider_error() -> None:
    lab, days = Lab(Interval.M1), Lab(Interval.D1)
    provider = lab.provider(lab.only(Fault.MISSING_MINUTE))
    (window,) = days.take(provider, MemoryBarStore(), SESSIONS[-1:], lab.symbols)
    lost = {symbol for symbol, told in window.outcomes.items() if told.outcome is Outcome.PROVIDER_ERROR}
    escaped = set(hold_against_days(Fault.MISSING_MINUTE).escaped["symbol"])
    assert escaped
    assert escaped <= lost


@pytest.mark.parametrize("faults", [None, SyntheticFaults()])
def test_a_day_differs_only_where_it_or_a_minute_is_wrong(faults: SyntheticFaults | None) -> None:
    lab, days = Lab(Interval.M1, every=8), SESSIONS[-3:]
    provider = lab.provider(faults)
    differing = lab.roll_up(provider, days)
    wrong = [provider.manifest_for(lab.symbols, days, interval).select(CELL) for interval in (Interval.M1, Interval.D1)]
    assert differing.join(pl.concat(wrong), on=CELL, how="anti").is_empty()
    assert differing.is_empty() is (faults is None)


def test_a_limit_breach_escapes_only_where_the_session_before_has_no_close() -> None:
    escaped = measure(Interval.M1, Fault.LIMIT_BREACH).escaped
    lab = Lab(Interval.M1)
    known = asyncio.run(lab.after_a_good_session().last_closes(lab.series, lab.symbols, before=SESSIONS[-1]))
    assert 0 < escaped.height < 10
    assert not set(escaped["symbol"]) & set(known)


def test_a_block_escapes_only_where_few_bars_were_in_it() -> None:
    lab = Lab(Interval.M1)
    provider = lab.provider(lab.only(Fault.MISSING_BLOCK))
    lost = provider.manifest_for(lab.symbols, SESSIONS[-1:], Interval.M1).group_by(CELL).len("bars")
    escaped = lost.join(measure(Interval.M1, Fault.MISSING_BLOCK).escaped, on=CELL, how="semi")
    assert escaped.filter(pl.col("bars") > 15).is_empty()
    assert escaped.filter(pl.col("bars") >= 10).height < 0.05 * lost.filter(pl.col("bars") >= 10).height


@pytest.mark.parametrize(("interval", "faults"), FALSE)
def test_good_bars_are_left_alone(interval: Interval, faults: SyntheticFaults | None) -> None:
    good, flagged = suspect(interval, faults)
    assert good > 10_000
    assert flagged.height <= MOST_FALSE * good, flagged.group_by("flags").len()


def test_the_reference_page_has_these_figures() -> None:
    page = load_text("docs/reference/quality.md")
    table = "\n".join([*_recall_rows(), "", *_false_rows(), *_by_day_rows()])
    assert all(line in page for line in table.splitlines()), f"expected in the page:\n{table}"


def _recall_rows() -> Iterator[str]:
    for fault in Fault:
        told = f"refused: `{REFUSED[fault]}`" if fault in REFUSED else "outcome `provider_error`"
        if fault in FLAGGED:
            told = " or ".join(f"`{str(flag.name).lower()}`" for flag in BarFlag if flag & FLAGGED[fault])
        if fault is Fault.LATE_CORRECTION:
            told = "count `corrected`, at the next fetch"
        cells = [_share(measure(interval, fault)) for interval, kind in KINDS if kind is fault]
        yield f"| `{fault.value}` | {told} | {' | '.join([*cells, 'none'][:2])} |"


def _by_day_rows() -> Iterator[str]:
    for fault in sorted(TAKES_AWAY):
        yield f"| `{fault.value}` | {measure(Interval.M1, fault).share:.1%} | {_share(hold_against_days(fault))} |"


def _share(found: Recall) -> str:
    return f"{found.share:.1%} of {found.planted.height:,}"


def _false_rows() -> Iterator[str]:
    for interval, faults in FALSE:
        good, flagged = suspect(interval, faults)
        yield f"| {interval.value} | {'all kinds' if faults else 'none'} | {good:,} | {flagged.height / good:.3%} |"
