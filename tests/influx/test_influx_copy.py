"""Bars of a real InfluxDB are copied to PostgreSQL, and back to another InfluxDB."""

from kaboom.bars.copying import CopyRule, SeriesCopy, copy_series
from kaboom.bars.influx.store import InfluxBarStore
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.store import BarStore
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.bars.bar_store import run
from tests.fixtures.bars.postgres_bars import empty_bar_tables
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day, refused

_RULE = CopyRule(keeps_target=False)


async def copy(source: BarStore, target: BarStore) -> list[SeriesCopy]:
    return [await copy_series(source, target, each, _RULE, lambda *_: None) for each in await source.list_series()]


def test_bars_of_influxdb_are_copied_to_postgresql(store: InfluxBarStore, database_url: str) -> None:
    empty_bar_tables(database_url)
    postgres = PostgresBarStore(BlockingDatabase(database_url, application_name="test"))

    async def both_ways() -> tuple[list[SeriesCopy], list[SeriesCopy]]:
        await store.write(MINUTES, full_day(["1301", "7203"], JUNE_2))
        await store.write(DAILY, frame(bar("7203", at(JUNE_2), 90.5, flags=1)))
        await store.quarantine(MINUTES, refused(("7203", at(JUNE_2), -1.0, 1.0, 1.0, 1.0, 1.0, "low_above_open")))
        there, back = await copy(store, postgres), await copy(postgres, store)
        await postgres.close()
        return there, back

    there, back = run(both_ways())
    assert [(each.bars, each.written, each.is_whole(_RULE)) for each in there] == [(1, 1, True), (654, 654, True)]
    assert sum(each.rejected for each in there) == 1
    assert [(each.bars, each.written, each.prints) for each in back] == [(e.bars, 0, e.prints) for e in there]
