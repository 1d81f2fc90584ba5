"""No statement reads a table of pages whole where an index is meant; `benchmarks/bar_tables.py` loads larger tables."""

from datetime import date, timedelta

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.bars.bar_store import run
from tests.fixtures.bars.statement_plans import call_everything, explained, find_scans
from tests.fixtures.bars.stored_bars import MINUTES, at, bar, frame

_DAYS = [date(2024, 11, 1) + timedelta(days=n) for n in range(80)]
_SYMBOLS = [str(1301 + n) for n in range(6)]


def test_every_statement_finds_pages_by_an_index(store: PostgresBarStore, database_url: str) -> None:
    # A small table is read whole even where an index serves: the planner is told that this is dear.
    options = "options=--enable_seqscan%3Doff"
    join = "&" if "?" in database_url else "?"
    picky = PostgresBarStore(BlockingDatabase(f"{database_url}{join}{options}", application_name="test"))
    run(store.write(MINUTES, frame(*(bar(symbol, at(day)) for day in _DAYS for symbol in _SYMBOLS))))
    plans: dict[str, str] = {}
    with explained(plans):
        run(call_everything(picky, _SYMBOLS, _DAYS))
    run(picky.close())
    assert len(plans) > 25
    assert {" ".join(each.split()): plan for each, plan in plans.items() if find_scans(each, plan)} == {}
