"""The job that takes statements and events: every day or symbol is accounted for, whatever the provider does."""

from collections.abc import Collection
from datetime import date

import pytest

from kaboom.disclosures.store import open_disclosures
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, ProviderError, RateLimited
from kaboom.fundamentals import tasks
from kaboom.fundamentals.jobs import FUNDAMENTALS, build_retry, check_fundamentals
from kaboom.fundamentals.request import FundamentalsRequest
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.worker import perform
from kaboom.jobs.model import Job, JobStatus
from kaboom.market.calendar import JST
from kaboom.market.disclosure import Disclosures
from kaboom.providers.base import DisclosureKind
from kaboom.settings import load_settings
from tests.fixtures.disclosures.made import make_event, make_statement
from tests.fixtures.jobs.job_runs import assert_agree, in_store, work_off
from tests.fixtures.jobs.jobs import ref_of
from tests.fixtures.jobs.memory_parts import memory_parts

pytestmark = pytest.mark.anyio
LAST = "2025-05-08"


class FakeSource:
    """A source whose answers are scripted by item: a day or a symbol."""

    name = "synthetic"

    def __init__(self) -> None:
        self.asked: list[tuple[str, frozenset[str]]] = []
        self.answers: dict[str, list[Disclosures | ProviderError]] = {}

    async def fetch_day(self, day: date, kinds: Collection[DisclosureKind]) -> Disclosures:
        return self._answer(day.isoformat(), kinds)

    async def fetch_company(self, symbol: str, kinds: Collection[DisclosureKind]) -> Disclosures:
        return self._answer(symbol, kinds)

    async def close(self) -> None:
        pass

    def _answer(self, item: str, kinds: Collection[DisclosureKind]) -> Disclosures:
        self.asked.append((item, frozenset(kinds)))
        waiting = self.answers.get(item)
        answer = waiting.pop(0) if waiting else Disclosures()
        if isinstance(answer, ProviderError):
            raise answer
        return answer


@pytest.fixture
def parts() -> Parts:
    """Memory twins, and little patience."""
    settings = load_settings(bar_store="memory", provider="synthetic", provider_patience_s=100.0, fetch_attempts=2)
    return memory_parts(settings)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """A source in the place of the synthetic one."""
    found = FakeSource()
    monkeypatch.setattr(tasks, "build_disclosures", lambda *_: found)
    monkeypatch.setattr("kaboom.fundamentals.take.backoff_s", lambda *_, **__: 0.0)
    return found


async def begin(parts: Parts, **request: object) -> Job:
    checked = check_fundamentals(FundamentalsRequest.parse(request), parts.settings)
    return (await Jobs(parts).submit(FUNDAMENTALS, checked.to_json(), owner="ingest")).job


async def test_each_day_is_asked_for_and_stored_the_newest_first(parts: Parts, source: FakeSource) -> None:
    source.answers = {LAST: [Disclosures([make_statement()], [make_event(at="2025-05-08 12:00")])]}
    job = await begin(parts, session=LAST, days=3)
    await work_off(parts)
    kept, _ = await assert_agree(parts, job)
    assert (kept.status, kept.outcomes, kept.counts) == (JobStatus.COMPLETED, {"ok": 3}, {"documents": 2})
    assert [item for item, _ in source.asked] == ["2025-05-08", "2025-05-07", "2025-05-06"]
    assert source.asked[0][1] == set(DisclosureKind)
    store = parts.database.open(open_disclosures)
    assert len(await store.list_statements("synthetic", "7203", as_of=utc_now(), limit=9)) == 1
    assert len(await store.list_events("synthetic", "7203", as_of=utc_now())) == 1


async def test_symbols_are_asked_for_instead_of_days_with_the_kinds_that_are_wanted(
    parts: Parts, source: FakeSource
) -> None:
    job = await begin(parts, symbols=["7203", "67580"], kinds=["statements"])
    await work_off(parts)
    kept, _ = await assert_agree(parts, job)
    assert source.asked == [(symbol, frozenset({"statements"})) for symbol in ("7203", "6758")]
    assert kept.plan == {"chunks": 1, "provider": "synthetic", "symbols": 2, "first": None, "last": None}


async def test_a_day_that_fails_leaves_the_job_partial_and_is_named(parts: Parts, source: FakeSource) -> None:
    source.answers = {
        "2025-05-07": [ProviderError("jquants said 403, it refused the request: its plan lacks it")],
        "2025-05-06": [ProviderError("away", retryable=True), Disclosures([make_statement()])],
    }
    job = await begin(parts, session=LAST, days=3)
    await work_off(parts)
    kept, chunks = await assert_agree(parts, job)
    assert (kept.status, kept.outcomes) == (JobStatus.PARTIAL, {"ok": 2, "provider_error": 1})
    (note,) = [note for note in chunks[0].tally.notes if note.outcome == "provider_error"]
    assert (note.item, note.attempts) == ("2025-05-07", 1)
    assert "its plan lacks it" in note.message


async def test_a_retry_is_of_the_days_that_were_planned(parts: Parts, source: FakeSource) -> None:
    today = utc_now().astimezone(JST).date().isoformat()
    source.answers = {today: [ProviderError("away")]}
    job = await begin(parts, days=1)
    await work_off(parts)
    kept, chunks = await assert_agree(parts, job)
    assert "session" not in kept.request
    assert build_retry(kept, chunks)["session"] == today


async def test_a_provider_that_stays_away_fails_the_job(parts: Parts, source: FakeSource) -> None:
    source.answers = {LAST: [ProviderError("away", retryable=True)] * 2}
    job = await begin(parts, session=LAST, days=1)
    await work_off(parts)
    kept, _ = await assert_agree(parts, job)
    assert (kept.status, kept.outcomes) == (JobStatus.FAILED, {"provider_error": 1})


async def test_a_pause_is_waited_for_once_patience_lasts(parts: Parts, source: FakeSource) -> None:
    source.answers = {LAST: [RateLimited("429", retry_after_s=60.0)] * 9}
    job = await begin(parts, session=LAST, days=1)
    assert await work_off(parts) == ["planned", "paused"]
    assert (await in_store(parts, job)).pause_reason == "429"
    assert await perform(parts, ref_of(job, 0)) == "done"
    kept, _ = await assert_agree(parts, job)
    assert (kept.status, kept.outcomes) == (JobStatus.FAILED, {"rate_limited": 1})
    assert kept.counts == {"provider_wait_s": 60}


async def test_a_dry_run_takes_nothing(parts: Parts, source: FakeSource) -> None:
    job = await begin(parts, session=LAST, days=90, dry_run=True)
    await work_off(parts)
    kept = await in_store(parts, job)
    assert (kept.status, source.asked) == (JobStatus.COMPLETED, [])
    assert kept.plan == {"chunks": 2, "provider": "synthetic", "symbols": 0, "first": "2025-02-08", "last": LAST}


async def test_a_long_span_is_made_of_chunks(parts: Parts, source: FakeSource) -> None:
    job = await begin(parts, session=LAST, days=130)
    await work_off(parts)
    kept, chunks = await assert_agree(parts, job)
    assert [len(chunk.items) for chunk in chunks] == [60, 60, 10]
    assert (kept.status, kept.done, len(source.asked)) == (JobStatus.COMPLETED, 130, 130)


@pytest.mark.parametrize(
    ("request_", "pointer", "why"),
    [
        ({"provider": "yahoo"}, "/provider", "provider was yahoo, which has no statements, supported are synthetic"),
        ({"provider": "jquants"}, "/provider", "JQUANTS_API_KEY is not set"),
        ({"session": "2090-01-01"}, "/session", "session was 2090-01-01, expected "),
        ({"days": 0}, "/days", "greater than or equal to 1"),
        ({"kinds": ["prices"]}, "/kinds/0", "should match pattern"),
        ({"kinds": []}, "/kinds", "at least 1 item"),
        ({"symbols": ["TOYOTA"]}, "/symbols", "expected a TSE local code"),
    ],
)
def test_what_cannot_be_taken_is_refused(request_: dict[str, object], pointer: str, why: str, parts: Parts) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_fundamentals(FundamentalsRequest.parse(request_), parts.settings)
    assert caught.value.pointer == pointer
    assert why in caught.value.message


def test_the_provider_of_the_settings_is_filled_in(parts: Parts) -> None:
    assert check_fundamentals(FundamentalsRequest(), parts.settings).provider == "synthetic"
