"""What is spent on models, kept by PostgreSQL and by its memory twin: budgets are never passed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from kaboom.analysis.models.spending import (
    LOST,
    Denied,
    InFlight,
    Kept,
    Question,
    Reserved,
    Settlement,
    Spending,
)
from kaboom.analysis.models.terms import Budget
from kaboom.analysis.postgres_spending import PostgresSpending
from kaboom.analysis.spending import MemorySpending
from kaboom.drivers.postgres.engine import connect_postgres

pytestmark = pytest.mark.anyio
WIDE = Budget(job=10**9, day=10**12)


@pytest.fixture(params=["memory", "postgres"])
async def spending(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Spending]:
    """A store of what is spent, with the breaker closed."""
    if request.param == "memory":
        yield MemorySpending()
        return
    engine = connect_postgres(request.getfixturevalue("database_url"), application_name="test", pool_size=8)
    store = PostgresSpending(engine)
    await store.open_breaker("of an earlier test", for_s=-1)
    yield store
    await store.open_breaker("over", for_s=-1)
    await engine.dispose()


def ask(key: str = "", *, job: str = "", most: int = 100, day: date | None = None, for_s: float = 60.0) -> Question:
    return Question(key or uuid4().hex, job or uuid4().hex, "a/b", "technical-1", most, for_s, day)


async def reserve(spending: Spending, question: Question, budget: Budget = WIDE) -> str:
    found = await spending.reserve(question, budget)
    assert isinstance(found, Reserved), found
    return found.call_id


async def test_500_parallel_calls_never_pass_a_budget(spending: Spending) -> None:
    job, day = uuid4().hex, date(2101, 1, 1)
    budget = Budget(job=10**9, day=await spending.spent(f"day:{day}") + 1_234)
    most = 0

    async def call(n: int) -> bool:
        nonlocal most
        found = await spending.reserve(ask(job=job if n % 2 else "", most=7 + n % 5, day=day), budget)
        most = max(most, await spending.spent(f"day:{day}"))
        return isinstance(found, Reserved)

    granted = sum(await asyncio.gather(*(call(n) for n in range(500))))
    assert 1_234 // 11 <= granted < 500
    assert most <= budget.day
    # What is left is too little for the smallest call.
    assert budget.day - await spending.spent(f"day:{day}") < 11


async def test_a_settled_call_gives_back_what_it_did_not_cost(spending: Spending) -> None:
    question = ask(most=1_000)
    scope = f"job:{question.job_id}"
    call_id = await reserve(spending, question)
    assert await spending.spent(scope) == 1_000
    await spending.settle(call_id, Settlement(421, "a/b"))
    await spending.settle(call_id, Settlement(0, "a/b"))
    assert await spending.spent(scope) == 421


async def test_a_budget_is_reported_with_what_is_used(spending: Spending) -> None:
    job = uuid4().hex
    await reserve(spending, ask(job=job, most=60))
    denied = await spending.reserve(ask(job=job, most=60), Budget(job=100, day=10**12))
    assert denied == Denied("the job's budget was 100 micro-dollars, 60 used, 60 needed")


async def test_the_same_content_is_paid_once(spending: Spending) -> None:
    question = ask()
    call_id = await reserve(spending, question)
    again = ask(question.key)
    assert await spending.reserve(again, WIDE) == InFlight()
    told = Settlement(9, "a/b", text="{}", prompt_tokens=812, completion_tokens=96, latency_ms=15)
    await spending.settle(call_id, told)
    assert await spending.reserve(again, WIDE) == Kept(told)
    assert await spending.spent(f"job:{again.job_id}") == 0


async def test_a_free_call_without_an_answer_may_be_made_again(spending: Spending) -> None:
    question = ask(most=100)
    first = await reserve(spending, question)
    await spending.settle(first, Settlement(0, "a/b", reason="the server answered 502"))
    assert await spending.spent(f"job:{question.job_id}") == 0
    assert await reserve(spending, question) != first
    assert await spending.spent(f"job:{question.job_id}") == 100


async def test_a_paid_call_without_an_answer_is_not_made_again(spending: Spending) -> None:
    question = ask()
    cut = Settlement(9, "a/b", reason="the answer was cut off", completion_tokens=2_000, latency_ms=5)
    await spending.settle(await reserve(spending, question), cut)
    assert await spending.reserve(ask(question.key), WIDE) == Kept(cut)


async def test_a_lost_call_is_not_made_again_and_stays_counted(spending: Spending) -> None:
    question = ask(most=100, for_s=-1.0)
    lost = await reserve(spending, question)
    assert await spending.reserve(ask(question.key), WIDE) == Kept(Settlement(100, "a/b", reason=LOST))
    assert await spending.spent(f"job:{question.job_id}") == 100
    # Its worker was only slow.
    told = Settlement(30, "a/b", text="{}")
    await spending.settle(lost, told)
    assert await spending.reserve(ask(question.key), WIDE) == Kept(told)
    assert await spending.spent(f"job:{question.job_id}") == 30


async def test_a_call_is_on_the_budget_of_today_in_japan(spending: Spending) -> None:
    scope = f"day:{await spending.today()}"
    before = await spending.spent(scope)
    await reserve(spending, ask(most=70))
    assert await spending.spent(scope) == before + 70


async def test_the_breaker_tells_when_it_opened_and_until_when(spending: Spending) -> None:
    assert await spending.breaker_state() is None
    await spending.open_breaker("the server answered 402", for_s=60)
    first = await spending.breaker_state()
    await spending.open_breaker("the server answered 402: again", for_s=600)
    second = await spending.breaker_state()
    assert first is not None
    assert second is not None
    assert (second.opened_at, second.reason) == (first.opened_at, "the server answered 402: again")
    assert second.until > first.until > first.opened_at


async def test_a_closed_breaker_lets_calls_through_and_opens_anew(spending: Spending) -> None:
    await spending.open_breaker("the server answered 402", for_s=60)
    assert isinstance(await spending.reserve(ask(), WIDE), Denied)
    await spending.close_breaker()
    assert await spending.breaker_state() is None
    await reserve(spending, ask())
    await spending.close_breaker()
    assert await spending.open_breaker("the server answered 402", for_s=60)


async def test_old_calls_are_dropped_with_what_they_cost(spending: Spending) -> None:
    day = date(2102, 1, 1)
    settled, waiting = ask(day=day), ask(day=day)
    await spending.settle(await reserve(spending, settled), Settlement(9, "a/b", text="{}"))
    await reserve(spending, waiting)
    assert await spending.prune(days=1) == 0
    while await spending.prune(days=-1):
        pass
    assert await spending.spent(f"job:{settled.job_id}") == 0
    # A call that is under way stays, and so does its day.
    assert await spending.spent(f"job:{waiting.job_id}") == 100
    assert await spending.spent(f"day:{day}") == 109
    assert await spending.reserve(ask(waiting.key), WIDE) == InFlight()


async def test_an_open_breaker_denies_calls_and_not_kept_answers(spending: Spending) -> None:
    paid = ask()
    await spending.settle(await reserve(spending, paid), Settlement(9, "a/b", text="{}"))
    assert await spending.open_breaker("the server answered 402", for_s=60)
    assert not await spending.open_breaker("the server answered 402", for_s=60)
    assert await spending.reserve(ask(), WIDE) == Denied("the breaker is open: the server answered 402")
    assert isinstance(await spending.reserve(paid, WIDE), Kept)


async def test_calls_around_midnight_are_booked_on_their_day_in_japan() -> None:
    moments = [datetime(2026, 11, 27, 14, 59, 59, tzinfo=UTC)]
    spending, budget = MemorySpending(lambda: moments[0]), Budget(job=10**9, day=100)
    late = await reserve(spending, ask(most=100), budget)
    assert isinstance(await spending.reserve(ask(most=1), budget), Denied)
    moments[0] += timedelta(seconds=1)
    await reserve(spending, ask(most=60), budget)
    await spending.settle(late, Settlement(40, "a/b", text="{}"))
    assert [await spending.spent(f"day:2026-11-{day}") for day in (27, 28)] == [40, 60]
    # Back again: what is left of the day before is its own.
    moments[0] -= timedelta(seconds=1)
    assert isinstance(await spending.reserve(ask(most=61), budget), Denied)
    await reserve(spending, ask(most=60), budget)
