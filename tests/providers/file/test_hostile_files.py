"""Files that are easily misread are read right, or refused by line and column; no value is stored that is wrong."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kaboom.bars.quality.checks import QualityContext, check_bars
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest
from kaboom.providers.file.provider import FileProvider
from tests.fixtures.providers.hostile_files import HOSTILE, HostileFile, Row

_FIRST = date(2024, 11, 1)
_DAYS = tuple(_FIRST + timedelta(days=n) for n in range(30))
_SYMBOLS = ("6758", "7203")


def ingest(root: Path, interval: Interval) -> tuple[list[Row], list[str], set[Outcome]]:
    """Return the bars that would be stored, what is refused with its place, and the outcomes of symbols."""
    fetched = asyncio.run(FileProvider(root).fetch_bars(BarRequest(_SYMBOLS, interval, _DAYS)))
    asked = QualityContext(Market.FILE, interval, _DAYS, frozenset(_SYMBOLS), datetime(2026, 1, 1, tzinfo=UTC))
    checked = check_bars(fetched.bars, asked)
    form = "%Y-%m-%d" if interval is Interval.D1 else "%Y-%m-%d %H:%M"
    rows = checked.bars.select("opened_at", "open", "high", "low", "close", "volume").rows()
    bars = [(at.strftime(form), *values) for at, *values in rows]
    bad = [f"line {row['line']}: {row['reason']}" for row in checked.quarantined.iter_rows(named=True)]
    outcomes = {each.outcome for each in fetched.outcomes.values()}
    return bars, bad, outcomes


@pytest.mark.parametrize("each", HOSTILE, ids=lambda each: each.case)
def test_file_is_read_right_or_refused(tmp_path: Path, each: HostileFile) -> None:
    content = each.content if isinstance(each.content, bytes) else each.content.encode()
    (tmp_path / each.name).write_bytes(content)
    is_days = all(len(row[0]) == 10 for row in each.stored)
    bars, bad, outcomes = ingest(tmp_path, Interval.D1 if is_days else Interval.M1)
    assert bars == list(each.stored)
    [(_, _, facts)] = FileProvider(tmp_path).describe()
    said = [refusal.message for refusal in facts.refusals]
    for place, why in each.refused:
        assert (
            any(why in message and f"{each.name}, {place}:" in message for message in said) or f"{place}: {why}" in bad
        )
    assert (Outcome.INVALID in outcomes) == any(refusal.symbol in _SYMBOLS for refusal in facts.refusals)
    # A row whose symbol is unknown changes no outcome, and the job's result lists it.
    unknown = tuple(refusal.message for refusal in facts.refusals if not refusal.symbol)
    assert asyncio.run(FileProvider(tmp_path).fetch_left_out()) == unknown
    assert bool(said or bad) == bool(each.refused)


def test_hostile_files_differ() -> None:
    assert len({each.case for each in HOSTILE}) == len({each.content for each in HOSTILE}) == len(HOSTILE) >= 100
