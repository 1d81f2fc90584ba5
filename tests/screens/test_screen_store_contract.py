"""What every store of screens promises: results by session, what changed between them, and an event of what entered."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from functools import partial
from uuid import uuid4

import pytest

from kaboom.drivers.postgres.database import Database
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.events import EventKind
from kaboom.notify.model import MessageQuery
from kaboom.notify.notifier import route
from kaboom.notify.store import open_notifications
from kaboom.notify.texts import write_text
from kaboom.screens.model import MAX_SCREENS, Change, Passed, Screen, ScreenStore
from kaboom.screens.store import open_screens
from tests.fixtures.notifications.rules import NOW, postgres_notifications, set_up

pytestmark = pytest.mark.anyio
DAYS = [date(2025, 11, 4), date(2025, 11, 5), date(2025, 11, 6)]


def make_screen(name: str = "oversold", **values: str | None) -> Screen:
    return replace(Screen(uuid4().hex, "team", name, "rsi_14 < 30", "synthetic", "TSE_PRIME"), **values)  # type: ignore[arg-type]


def of(day: date, *symbols: str) -> Passed:
    return Passed(day, symbols, 100, 2)


@pytest.fixture(params=["memory", "postgres"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """An empty database, in memory and in PostgreSQL."""
    if request.param == "memory":
        yield Database()
        return
    url = request.getfixturevalue("database_url")
    async with postgres_notifications(url):
        engine = connect_postgres(url, application_name="test")
        async with engine.begin() as connection:
            await connection.exec_driver_sql("TRUNCATE screens CASCADE")
        yield Database(engine)
        await engine.dispose()


@pytest.fixture
def store(database: Database) -> ScreenStore:
    """The screens of it."""
    return database.open(open_screens)


async def test_a_screen_comes_back_and_is_replaced_by_its_name(store: ScreenStore) -> None:
    given = make_screen()
    kept, is_new = await store.save(given)
    assert is_new
    assert replace(kept, created_at=None, updated_at=None) == given
    assert await store.load("team", "oversold") == kept
    again, is_new = await store.save(make_screen(market=None))
    assert (again.screen_id, again.market, is_new) == (given.screen_id, None, False)
    await store.save(make_screen(owner="another"))
    assert [each.owner for each in await store.list_screens("team")] == ["team"]


async def test_an_owner_has_a_limit(store: ScreenStore) -> None:
    for n in range(MAX_SCREENS):
        await store.save(make_screen(f"s{n}"))
    with pytest.raises(Conflict, match="which is the limit"):
        await store.save(make_screen("one-more"))
    await store.save(make_screen("s1"))


async def test_what_entered_and_left_is_since_the_session_before(store: ScreenStore) -> None:
    screen, _ = await store.save(make_screen())
    assert await store.save_passed(screen, of(DAYS[0], "7203", "6758")) is None
    assert await store.save_passed(screen, of(DAYS[2], "6758", "1301")) == Change(("1301",), ("7203",))
    # A session in between changes what comes after it.
    assert await store.save_passed(screen, of(DAYS[1], "6758")) == Change((), ("7203",))
    assert await store.save_passed(screen, of(DAYS[2], "1301")) == Change(("1301",), ("6758",))
    found = await store.list_passed(screen, limit=2)
    assert [(each.session, each.symbols) for each in found] == [(DAYS[2], ("1301",)), (DAYS[1], ("6758",))]
    assert (found[0].seen, found[0].unknown) == (100, 2)


async def test_another_expression_begins_a_new_history(store: ScreenStore) -> None:
    screen, _ = await store.save(make_screen())
    await store.save_passed(screen, of(DAYS[0], "7203"))
    await store.save(make_screen())
    assert len(await store.list_passed(screen, limit=5)) == 1
    await store.save(make_screen(expression="rsi_14 < 20"))
    assert list(await store.list_passed(screen, limit=5)) == []
    with pytest.raises(Conflict, match="was changed while it ran"):
        await store.save_passed(screen, of(DAYS[0], "7203"))


async def test_a_deleted_screen_is_gone_with_its_results(store: ScreenStore) -> None:
    screen, _ = await store.save(make_screen())
    await store.save_passed(screen, of(DAYS[0], "7203"))
    await store.delete("team", "oversold")
    with pytest.raises(NotFound, match="screen 'oversold' does not exist"):
        await store.load("team", "oversold")
    with pytest.raises(NotFound):
        await store.delete("team", "oversold")
    with pytest.raises(NotFound):
        await store.save_passed(screen, of(DAYS[0], "7203"))


async def test_symbols_that_enter_in_the_newest_session_are_told_once(database: Database, store: ScreenStore) -> None:
    notifications = database.open(open_notifications)
    await set_up(notifications, EventKind.SCREEN_ENTERED, language="en")
    screen, _ = await store.save(make_screen())
    # A newer result of another screen silences nothing.
    other, _ = await store.save(make_screen("other"))
    await store.save_passed(other, of(date(2025, 11, 7), "9984"))
    results = [
        of(DAYS[0], "7203"), of(DAYS[2], "7203", "6758"), of(DAYS[2], "7203", "6758"), of(DAYS[1], "1301"),
    ]  # fmt: skip
    for passed in results:
        await store.save_passed(screen, passed)
        await notifications.log.fan_out(partial(route, now=NOW), NOW)
    (message,) = await notifications.log.list_messages(MessageQuery("team"))
    text = write_text(message, list((await notifications.log.load_events(message.event_ids)).values()))
    assert text.title == "[Kaboom] Screen oversold: 6758"
    assert text.body.startswith("1 symbols entered in the session of 2025-11-06.")
