"""Chunks that hold exactly the gaps, in few pieces."""

from dataclasses import replace
from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from kaboom.bars.coverage.classify import CELL_SCHEMA
from kaboom.ingest.plan import IngestChunk, split_in_runs
from kaboom.ingest.run_daily import describe_gaps, plan_gaps
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.base import Capabilities

DAYS = last_sessions(30, date(2025, 11, 6))
SOME = Capabilities(frozenset(Interval), frozenset(Market))
BULK = Capabilities(frozenset(Interval), frozenset(Market), bulk_by_session=frozenset(Interval))


def gaps(*cells: tuple[str, date]) -> pl.DataFrame:
    rows = [{"symbol": symbol, "session": day, "state": "missing", "bars": 0} for symbol, day in cells]
    return pl.DataFrame(rows, schema=CELL_SCHEMA)


def plan(*cells: tuple[str, date], capabilities: Capabilities = SOME) -> list[IngestChunk]:
    return plan_gaps(Interval.M1, gaps(*cells), capabilities=capabilities, slots=4)


def cells_of(chunks: list[IngestChunk]) -> list[tuple[str, date]]:
    return sorted((symbol, day) for chunk in chunks for symbol in chunk.symbols for day in chunk.sessions)


@given(
    cells=st.sets(st.tuples(st.sampled_from([str(n) for n in range(1301, 1313)]), st.sampled_from(DAYS)), max_size=60),
    is_bulk=st.booleans(),
)
def test_chunks_hold_every_gap_once_and_nothing_else(cells: set[tuple[str, date]], *, is_bulk: bool) -> None:
    chunks = plan(*cells, capabilities=BULK if is_bulk else SOME)
    assert cells_of(chunks) == sorted(cells)
    assert all(list(chunk.sessions) == sorted(chunk.sessions) for chunk in chunks)


def test_symbols_with_the_same_holes_share_a_chunk_and_sessions_stay_together() -> None:
    same = [(str(1301 + n), day) for n in range(20) for day in (DAYS[3], DAYS[9])]
    chunks = plan(*same, ("9984", DAYS[3]))
    assert [(len(chunk.symbols), chunk.sessions) for chunk in chunks] == [(20, (DAYS[3], DAYS[9])), (1, (DAYS[3],))]


def test_a_bulk_provider_is_asked_by_session() -> None:
    chunks = plan(("1301", DAYS[0]), ("1301", DAYS[1]), ("7203", DAYS[1]), capabilities=BULK)
    assert [(chunk.symbols, chunk.sessions) for chunk in chunks] == [
        (("1301",), (DAYS[0],)),
        (("1301", "7203"), (DAYS[1],)),
    ]


def test_few_symbols_are_asked_by_symbol_where_whole_sessions_do_not_pay() -> None:
    large = replace(BULK, bulk_least_symbols={Interval.M1: 3})
    cells = [("1301", DAYS[0]), ("1301", DAYS[1]), ("7203", DAYS[1])]
    assert [chunk.symbols for chunk in plan(*cells, capabilities=large)] == [("1301",), ("7203",)]
    by_session = plan(*cells, ("9984", DAYS[1]), capabilities=large)
    assert {chunk.sessions for chunk in by_session} == {(DAYS[0],), (DAYS[1],)}


def test_very_many_kinds_of_holes_are_cut_by_session() -> None:
    # Each symbol lacks other sessions: the bits of its number.
    cells = [(str(1301 + n), DAYS[bit]) for n in range(1, 500) for bit in range(9) if n >> bit & 1]
    chunks = plan(*cells)
    assert cells_of(chunks) == sorted(cells)
    assert len(chunks) < 50


def test_the_description_of_gaps_is_bounded() -> None:
    told = describe_gaps(gaps(*((str(1301 + n), DAYS[0]) for n in range(50)), ("1301", DAYS[1])))
    assert (told["cells"], told["symbols"], told["states"]) == (51, 50, {"missing": 51})
    assert [(row["symbols"], len(row["first_symbols"])) for row in told["sessions"]] == [(50, 20), (1, 1)]


def test_runs_end_where_a_session_is_left_out() -> None:
    assert split_in_runs(DAYS) == [DAYS]
    assert split_in_runs([*DAYS[:2], *DAYS[3:5], DAYS[8]]) == [DAYS[:2], DAYS[3:5], (DAYS[8],)]
    assert split_in_runs([]) == []
    # A day without a session stands alone.
    assert split_in_runs([DAYS[-2], date(2025, 11, 8)]) == [(DAYS[-2],), (date(2025, 11, 8),)]
