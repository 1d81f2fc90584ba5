"""The promises of the portfolio store, kept by PostgreSQL and by its memory twin."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.engine import connect_postgres, postgres_errors
from kaboom.errors import Conflict, NotFound, StoreError
from kaboom.jobs.postgres.port import KEY_KEPT_H, KeyReused
from kaboom.portfolio import postgres
from kaboom.portfolio import store as memory
from kaboom.portfolio.book import Shortfall
from kaboom.portfolio.model import Booked, Once, PortfolioStore
from kaboom.portfolio.postgres import PostgresPortfolioStore
from kaboom.portfolio.postings import Account
from kaboom.portfolio.store import MemoryPortfolioStore
from tests.fixtures.portfolio.drafts import draft_of, make_portfolio, reversal_of
from tests.fixtures.portfolio.entries import cash, numbered, trade

pytestmark = pytest.mark.anyio
DEPOSIT = cash("deposit", "1000000.5")


class TestPortfolios:
    async def test_a_portfolio_is_kept_empty(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        assert kept.created_at is not None
        assert (kept.entries, kept.cash) == (0, Decimal(0))
        assert await portfolios.load(owner, kept.portfolio_id) == kept
        assert await portfolios.load_entries(owner, kept.portfolio_id) == []
        assert set((await portfolios.balances(owner, kept.portfolio_id)).values()) == {Decimal(0)}

    async def test_a_name_is_unique_for_its_owner_only(self, portfolios: PortfolioStore, owner: str) -> None:
        for name in ("é", "b", "Z", "a"):
            await portfolios.add(make_portfolio(owner, name=name))
        with pytest.raises(Conflict, match="a portfolio named 'b' exists already"):
            await portfolios.add(make_portfolio(owner, name="b"))
        await portfolios.add(make_portfolio(f"{owner}-2", name="b"))
        assert [found.name for found in await portfolios.list_portfolios(owner)] == ["Z", "a", "b", "é"]

    async def test_a_portfolio_gets_another_name(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner, name="a"))
        await portfolios.add(make_portfolio(owner, name="b"))
        assert await portfolios.rename(owner, kept.portfolio_id, "c") == replace(kept, name="c")
        assert (await portfolios.rename(owner, kept.portfolio_id, "c")).name == "c"
        assert [found.name for found in await portfolios.list_portfolios(owner)] == ["b", "c"]
        with pytest.raises(Conflict, match="a portfolio named 'b' exists already"):
            await portfolios.rename(owner, kept.portfolio_id, "b")
        for wrong in ((f"{owner}-2", kept.portfolio_id), (owner, "0" * 32)):
            with pytest.raises(NotFound, match="does not exist"):
                await portfolios.rename(*wrong, "d")

    async def test_a_deleted_portfolio_is_not_found_and_its_name_is_free(
        self, portfolios: PortfolioStore, owner: str
    ) -> None:
        kept = await portfolios.add(make_portfolio(owner, name="a"))
        await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT))
        with pytest.raises(NotFound):
            await portfolios.delete(f"{owner}-2", kept.portfolio_id)
        await portfolios.delete(owner, kept.portfolio_id)
        assert await portfolios.list_portfolios(owner) == []
        calls = (
            lambda: portfolios.load(owner, kept.portfolio_id),
            lambda: portfolios.delete(owner, kept.portfolio_id),
            lambda: portfolios.rename(owner, kept.portfolio_id, "b"),
            lambda: portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT)),
        )
        for call in calls:
            with pytest.raises(NotFound, match="does not exist"):
                await call()
        again = await portfolios.add(make_portfolio(owner, name="a"))
        assert await portfolios.load_entries(owner, again.portfolio_id) == []

    async def test_a_draft_may_book_nothing(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        booked = await portfolios.book(owner, kept.portfolio_id, lambda _portfolio, _kept: [])
        assert (booked.entries, booked.is_replayed) == ((), False)
        assert await portfolios.load(owner, kept.portfolio_id) == kept

    async def test_an_owner_has_a_limit(
        self, portfolios: PortfolioStore, owner: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (memory, postgres):
            monkeypatch.setattr(module, "MAX_PORTFOLIOS", 1)
        await portfolios.add(make_portfolio(f"not {owner}"))
        await portfolios.add(make_portfolio(owner))
        with pytest.raises(Conflict, match="portfolios already, which is the limit"):
            await portfolios.add(make_portfolio(owner, name="another"))

    async def test_a_deleted_portfolio_does_not_count_against_the_limit(
        self, portfolios: PortfolioStore, owner: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (memory, postgres):
            monkeypatch.setattr(module, "MAX_PORTFOLIOS", 1)
        deleted = await portfolios.add(make_portfolio(owner))
        await portfolios.delete(owner, deleted.portfolio_id)
        kept = await portfolios.add(make_portfolio(owner))
        assert await portfolios.list_portfolios(owner) == [kept]

    async def test_another_owner_finds_nothing(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT))
        with pytest.raises(NotFound, match="does not exist"):
            await portfolios.load("stranger", kept.portfolio_id)
        with pytest.raises(NotFound, match="does not exist"):
            await portfolios.book("stranger", kept.portfolio_id, draft_of(DEPOSIT))
        assert await portfolios.list_portfolios("stranger") == []
        assert await portfolios.load_entries("stranger", kept.portfolio_id) == []
        assert set((await portfolios.balances("stranger", kept.portfolio_id)).values()) == {Decimal(0)}


class TestBooking:
    async def test_entries_come_back_as_they_were_booked(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        buy = replace(trade("buy", 100, "2841.3333", fee="99", day=1), note="メモ")
        first = await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT))
        second = await portfolios.book(
            owner, kept.portfolio_id, draft_of(buy, cash("dividend", "45", day=2, symbol="7203"))
        )
        found = await portfolios.load_entries(owner, kept.portfolio_id)
        assert found == [*first.entries, *second.entries]
        assert [entry.place for entry in found] == [1, 2, 3]
        bare = [replace(e, entry_id="", place=0, created_at=None, created_by="") for e in found]
        assert bare == [DEPOSIT, buy, cash("dividend", "45", day=2, symbol="7203")]
        assert all(entry.created_at and entry.created_by == "usr_1" for entry in found)
        changed = await portfolios.load(owner, kept.portfolio_id)
        assert (changed.entries, changed.cash) == (3, Decimal("715813.17"))

    async def test_postings_add_up_to_zero(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        one = await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT, trade("buy", 100, "10", fee="5")))
        await portfolios.book(owner, kept.portfolio_id, draft_of(cash("tax", "3")))
        await portfolios.book(owner, kept.portfolio_id, reversal_of(one.entries[1].entry_id))
        found = await portfolios.balances(owner, kept.portfolio_id)
        assert sum(found.values()) == 0
        assert {account: amount for account, amount in found.items() if amount} == {
            Account.CASH: Decimal("999997.5"),
            Account.CAPITAL: Decimal("-1000000.5"),
            Account.TAXES: Decimal(3),
        }

    async def test_a_refused_draft_books_nothing(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        once = Once("k", "f")
        with pytest.raises(Shortfall):
            await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT, cash("withdrawal", "1000001")), once=once)
        assert (await portfolios.load(owner, kept.portfolio_id)) == kept
        assert await portfolios.load_entries(owner, kept.portfolio_id) == []
        assert not (await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT), once=once)).is_replayed

    async def test_a_portfolio_has_a_limit(
        self, portfolios: PortfolioStore, owner: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (memory, postgres):
            monkeypatch.setattr(module, "MAX_ENTRIES", 2)
        kept = await portfolios.add(make_portfolio(owner))
        await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT))
        with pytest.raises(Conflict, match="entries, which is the limit"):
            await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT, DEPOSIT))
        await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT))

    async def test_parallel_drafts_see_each_other(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        await portfolios.book(owner, kept.portfolio_id, draft_of(cash("deposit", "10")))
        drafts = [draft_of(cash("withdrawal", "3")) for _ in range(8)]
        ends = await asyncio.gather(
            *(portfolios.book(owner, kept.portfolio_id, draft) for draft in drafts), return_exceptions=True
        )
        assert sum(isinstance(end, Shortfall) for end in ends) == 5
        assert (await portfolios.load(owner, kept.portfolio_id)).cash == Decimal(1)


class TestKeys:
    async def test_a_key_books_once(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        once = Once("key", "deposit")
        ends = await asyncio.gather(
            *(portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT, DEPOSIT), once=once) for _ in range(5))
        )
        assert sorted(end.is_replayed for end in ends) == [False, True, True, True, True]
        assert len({end.entries for end in ends}) == 1
        assert (await portfolios.load(owner, kept.portfolio_id)).entries == 2

    async def test_a_key_with_another_request_is_refused(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT), once=Once("key", "one"))
        with pytest.raises(KeyReused, match="came with another request before"):
            await portfolios.book(owner, kept.portfolio_id, draft_of(DEPOSIT), once=Once("key", "two"))

    async def test_a_key_is_known_for_a_day_in_memory(self, owner: str) -> None:
        moments = [datetime(2025, 11, 4, tzinfo=UTC)]
        store = MemoryPortfolioStore(lambda: moments[-1])
        kept = await store.add(make_portfolio(owner))
        for hours, is_replayed in ((0, False), (KEY_KEPT_H, True), (KEY_KEPT_H + 0.1, False)):
            moments.append(moments[0] + timedelta(hours=hours))
            booked = await store.book(owner, kept.portfolio_id, draft_of(DEPOSIT), once=Once("key", "deposit"))
            assert booked.is_replayed is is_replayed

    async def test_owners_do_not_share_keys(self, portfolios: PortfolioStore, owner: str) -> None:
        for each in (owner, f"{owner}-2"):
            kept = await portfolios.add(make_portfolio(each))
            booked = await portfolios.book(each, kept.portfolio_id, draft_of(DEPOSIT), once=Once("key", each))
            assert not booked.is_replayed

    async def test_each_key_of_an_owner_replays_its_own_entries(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = await portfolios.add(make_portfolio(owner))
        other = await portfolios.add(make_portfolio(owner, name="other"))
        of = {"one": kept, "two": kept, "three": other}

        async def book(key: str) -> Booked:
            return await portfolios.book(owner, of[key].portfolio_id, draft_of(DEPOSIT), once=Once(key, key))

        first = {key: await book(key) for key in of}
        again = {key: await book(key) for key in of}
        assert again == {key: replace(booked, is_replayed=True) for key, booked in first.items()}

    async def test_one_key_for_two_portfolios_at_once_books_one(self, portfolios: PortfolioStore, owner: str) -> None:
        kept = [await portfolios.add(make_portfolio(owner, name=name)) for name in "ab"]
        ends = await asyncio.gather(
            *(portfolios.book(owner, p.portfolio_id, draft_of(DEPOSIT), once=Once("key", p.name)) for p in kept),
            return_exceptions=True,
        )
        assert sum(isinstance(end, KeyReused) for end in ends) == 1
        assert sorted(found.entries for found in await portfolios.list_portfolios(owner)) == [0, 1]


async def test_an_old_key_is_free_again() -> None:
    now = [utc_now()]
    store = MemoryPortfolioStore(lambda: now[0])
    kept = await store.add(make_portfolio("team"))
    await store.book("team", kept.portfolio_id, draft_of(DEPOSIT), once=Once("key", "one"))
    now[0] += timedelta(hours=25)
    assert not (await store.book("team", kept.portfolio_id, draft_of(DEPOSIT), once=Once("key", "two"))).is_replayed


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = connect_postgres(database_url, application_name="test", pool_size=2)
    yield made
    await made.dispose()


async def refuse(engine: AsyncEngine, statement: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason), postgres_errors():
        async with engine.begin() as connection:
            await connection.execute(text(statement))


class TestGuards:
    """What PostgreSQL itself refuses, whoever asks."""

    async def test_an_old_key_is_free_again(self, engine: AsyncEngine, owner: str) -> None:
        store = PostgresPortfolioStore(engine)
        kept = await store.add(make_portfolio(owner))
        await store.book(owner, kept.portfolio_id, draft_of(DEPOSIT), once=Once("key", "one"))
        async with engine.begin() as connection:
            old = "UPDATE portfolio_keys SET created_at = created_at - interval '25 hours' WHERE owner = :owner"
            await connection.execute(text(old), {"owner": owner})
        again = await store.book(owner, kept.portfolio_id, draft_of(DEPOSIT), once=Once("key", "two"))
        assert not again.is_replayed

    @pytest.mark.parametrize("table", ["portfolio_entries", "portfolio_postings"])
    async def test_entries_and_postings_are_append_only(self, engine: AsyncEngine, owner: str, table: str) -> None:
        store = PostgresPortfolioStore(engine)
        kept = await store.add(make_portfolio(owner))
        await store.book(owner, kept.portfolio_id, draft_of(DEPOSIT))
        for statement in (f"UPDATE {table} SET amount = 1", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            await refuse(engine, statement, "append-only")

    async def test_postings_that_do_not_add_up_are_refused(self, engine: AsyncEngine, owner: str) -> None:
        store = PostgresPortfolioStore(engine)
        kept = await store.add(make_portfolio(owner))
        (entry,) = (await store.book(owner, kept.portfolio_id, draft_of(DEPOSIT))).entries
        row = f"('{kept.portfolio_id}', '{entry.entry_id}', 'fees', '{owner}', 1)"
        await refuse(engine, f"INSERT INTO portfolio_postings VALUES {row}", "do not add up to zero")

    async def test_negative_cash_is_refused(self, engine: AsyncEngine, owner: str) -> None:
        store = PostgresPortfolioStore(engine)
        kept = await store.add(make_portfolio(owner))
        unchecked = [replace(numbered(cash("withdrawal", "1"))[0], entry_id=f"{kept.portfolio_id[:31]}x")]
        with pytest.raises(StoreError, match="portfolios_cash_check"):
            await store.book(owner, kept.portfolio_id, lambda _, __: unchecked)
        assert await store.load_entries(owner, kept.portfolio_id) == []
