"""What every store of disclosures promises: each moment stays as it was, and a change is a row of its own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from kaboom.disclosures.model import DisclosureStore, newest_versions
from kaboom.disclosures.store import open_disclosures
from kaboom.drivers.postgres.database import Database
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.market.disclosure import CompanyEvent, CompanyEventKind, Disclosures, Statement
from tests.fixtures.disclosures.made import jst, make_event, make_statement

pytestmark = pytest.mark.anyio
NOW, TICK = jst("2025-12-01 12:00"), timedelta(microseconds=1)


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[DisclosureStore]:
    """An empty store, in memory and in PostgreSQL."""
    if request.param == "memory":
        yield Database().open(open_disclosures)
        return
    engine = connect_postgres(request.getfixturevalue("database_url"), application_name="test")
    async with engine.begin() as connection:
        await connection.exec_driver_sql("TRUNCATE statements, company_events")
    yield Database(engine).open(open_disclosures)
    await engine.dispose()


async def keep(store: DisclosureStore, *rows: Statement | CompanyEvent, now: str = "2025-12-01 12:00") -> int:
    statements = [row for row in rows if isinstance(row, Statement)]
    events = [row for row in rows if isinstance(row, CompanyEvent)]
    return await store.save("jquants", Disclosures(statements, events), now=jst(now))


async def statements_at(store: DisclosureStore, at: str, symbol: str = "7203") -> list[Statement]:
    return await store.list_statements("jquants", symbol, as_of=jst(at), limit=10)


async def test_a_statement_comes_back_whole_from_its_disclosure_on(store: DisclosureStore) -> None:
    given = make_statement(
        at="2025-05-08 14:00", operating_profit=0.1, ordinary_profit=-3.5, net_profit=7e13, equity=1.0, assets=2.0,
        shares=13e9, forecast_sales=3.0, forecast_operating_profit=4.0, forecast_net_profit=5.0,
    )  # fmt: skip
    assert await keep(store, given) == 1
    assert await statements_at(store, "2025-05-08 14:00") == [replace(given, known_at=given.disclosed_at)]
    assert await store.list_statements("jquants", "7203", as_of=given.disclosed_at - TICK, limit=9) == []
    assert await store.list_statements("synthetic", "7203", as_of=NOW, limit=9) == []


async def test_what_is_taken_again_without_change_is_not_written(store: DisclosureStore) -> None:
    given: list[Statement | CompanyEvent] = [make_statement(), make_statement("6758"), make_event()]
    assert await keep(store, *given) == 3
    assert await keep(store, *given) == 0
    assert len(await statements_at(store, "2025-12-01 12:00")) == 1


async def test_figures_that_the_provider_changes_count_from_when_they_were_read(store: DisclosureStore) -> None:
    first = make_statement(at="2025-05-08 15:00", sales=1e9)
    await keep(store, first, now="2025-05-08 18:10")
    assert await keep(store, replace(first, sales=2e9), now="2025-05-09 00:40") == 1
    assert [each.sales for each in await statements_at(store, "2025-05-09 00:39")] == [1e9]
    (after,) = await statements_at(store, "2025-05-09 00:40")
    assert (after.sales, after.known_at, after.disclosed_at) == (2e9, jst("2025-05-09 00:40"), first.disclosed_at)
    # And back: a third version.
    assert await keep(store, first, now="2025-05-10 09:00") == 1
    assert [each.sales for each in await statements_at(store, "2025-05-10 09:00")] == [1e9]
    assert [each.sales for each in await statements_at(store, "2025-05-09 12:00")] == [2e9]


async def test_a_correction_by_the_company_is_a_statement_of_its_own(store: DisclosureStore) -> None:
    first = make_statement(at="2025-05-08 15:00")
    corrected = make_statement(at="2025-05-22 16:00", sales=3e9)
    await keep(store, corrected, first)
    assert [each.document for each in await statements_at(store, "2025-12-01 00:00")] == [
        corrected.document,
        first.document,
    ]
    assert [each.document for each in await statements_at(store, "2025-05-22 15:59")] == [first.document]


async def test_statements_are_listed_by_symbol_and_oldest_first(store: DisclosureStore) -> None:
    rows = [
        make_statement("7203", "2025-05-08 14:00"), make_statement("6758", "2025-05-14 15:00"),
        make_statement("6758", "2025-02-13 15:00"), make_statement("9984", "2024-05-13 15:00"),
        make_statement("1301", "2025-06-02 09:00"),
    ]  # fmt: skip
    await keep(store, *rows)
    since, as_of = jst("2025-01-01 00:00"), jst("2025-06-01 00:00")
    found = await store.list_versions("jquants", since=since, as_of=as_of)
    assert [each.document for each in found] == [rows[n].document for n in (2, 1, 0)]
    some = await store.list_versions("jquants", since=since, as_of=as_of, symbols=["7203", "1301"])
    assert [each.document for each in some] == [rows[0].document]


async def test_each_version_is_listed_in_the_order_in_which_it_became_known(store: DisclosureStore) -> None:
    first = make_statement(at="2025-05-08 15:00", sales=1e9)
    # The provider says a time of disclosure that is earlier, too.
    changed = replace(first, sales=2e9, disclosed_at=jst("2025-05-08 14:00"))
    await keep(store, first, now="2025-05-08 18:10")
    await keep(store, changed, now="2025-05-09 00:40")
    found = await store.list_versions("jquants", since=jst("2025-01-01 00:00"), as_of=NOW)
    assert [(each.sales, each.known_at) for each in found] == [
        (1e9, first.disclosed_at),
        (2e9, jst("2025-05-09 00:40")),
    ]
    assert newest_versions(found) == found[1:]


async def test_the_newest_notice_on_a_subject_takes_the_place_of_the_others(store: DisclosureStore) -> None:
    moved = make_event(at="2025-07-20 10:00", day=date(2025, 8, 12))
    dividend = make_event(
        at="2025-05-08 14:00", document="d1", kind=CompanyEventKind.DIVIDEND, subject="ca-1",
        period="final", amount=45.0, day=date(2026, 3, 30), is_forecast=True,
    )  # fmt: skip
    unknown = make_event(at="2025-07-02 10:00", document="a2", subject="2Q", period="2Q", day=None)
    await keep(store, moved, make_event(), dividend, unknown)
    found = await store.list_events("jquants", "7203", as_of=NOW)
    assert [(each.subject, each.day) for each in found] == [
        ("1Q", date(2025, 8, 12)),
        ("ca-1", date(2026, 3, 30)),
        ("2Q", None),
    ]
    assert found[1] == replace(dividend, known_at=dividend.disclosed_at)
    before = await store.list_events("jquants", "7203", as_of=jst("2025-07-20 09:59"))
    assert before[0].day == date(2025, 8, 7)
    withdrawn = replace(dividend, document="d2", is_withdrawn=True, disclosed_at=jst("2025-08-01 09:00"))
    await keep(store, withdrawn)
    assert "ca-1" not in {each.subject for each in await store.list_events("jquants", "7203", as_of=NOW)}


async def test_the_newest_statements_come_first_and_are_limited(store: DisclosureStore) -> None:
    days = [f"2025-{month:02}-03 15:00" for month in range(1, 9)]
    await keep(store, *(make_statement(at=day) for day in days))
    found = await store.list_statements("jquants", "7203", as_of=NOW, limit=3)
    assert [each.disclosed_at for each in found] == [jst(day) for day in reversed(days[-3:])]


async def test_many_documents_are_kept_at_once(store: DisclosureStore) -> None:
    rows = [make_statement(f"{code}", "2025-05-08 14:00") for code in range(1301, 2502)]
    assert await keep(store, *rows) == 1201
    assert await keep(store, *rows) == 0
