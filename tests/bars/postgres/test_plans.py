"""Every statement finds pages by an index on buckets or symbols; `benchmarks/bar_tables.py` loads larger tables."""

from datetime import date, timedelta

import psycopg

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.bars.bar_store import run
from tests.fixtures.bars.statement_plans import call_everything, explained, find_scans
from tests.fixtures.bars.stored_bars import MINUTES, at, bar, frame
from tests.fixtures.servers.servers import Servers, fresh_database

_DAYS = [date(2024, 11, 1) + timedelta(days=n) for n in range(80)]
_SYMBOLS = [str(1301 + n) for n in range(6)]


def test_every_statement_finds_pages_by_an_index(servers: Servers) -> None:
    plans: dict[str, str] = {}
    with fresh_database(servers) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            # A small table is read whole even where an index serves: the planner is told that this is dear.
            for way in ("seqscan", "hashjoin", "mergejoin"):
                connection.execute(f"ALTER DATABASE {connection.info.dbname} SET enable_{way} = off")
        store = PostgresBarStore(BlockingDatabase(url, application_name="test"))
        run(store.write(MINUTES, frame(*(bar(symbol, at(day)) for day in _DAYS for symbol in _SYMBOLS))))
        with explained(plans):
            run(call_everything(store, _SYMBOLS, _DAYS))
        run(store.close())
    assert len(plans) > 25
    assert {" ".join(each.split()): plan for each, plan in plans.items() if find_scans(each, plan)} == {}
