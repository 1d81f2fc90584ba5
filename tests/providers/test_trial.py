"""Trying a provider: each question stands alone, and a failure says why."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from kaboom.drivers.http.client import HttpClient
from kaboom.market.outcome import Outcome
from kaboom.providers.limiter.rate_limiter import NoRateLimit
from kaboom.providers.trial import Question, Trial, try_provider
from tests.fixtures.providers.fake_jquants import FakeJquants
from tests.fixtures.providers.provider_faults import as_json
from tests.fixtures.providers.remote import Remote
from tests.fixtures.providers.remote_providers import jquants_remote
from tests.fixtures.servers.http_servers import Request, Response

pytestmark = pytest.mark.anyio
EVENING = datetime(2026, 11, 16, 10, tzinfo=UTC)


@pytest.fixture
def remote() -> Iterator[Remote]:
    with jquants_remote() as remote:
        yield remote


async def try_all(remote: Remote, symbol: str = "7203") -> list[Trial]:
    provider = remote.connect(HttpClient(remote.fake.url), NoRateLimit())
    try:
        return [trial async for trial in try_provider(provider, symbol, now=EVENING)]
    finally:
        await provider.close()


def of_bars(trials: list[Trial]) -> list[tuple[str, str, int | None, str]]:
    return [
        (str(trial.interval), trial.session.isoformat(), trial.rows, trial.outcome.value)
        for trial in trials
        if trial.question is Question.BARS
    ]


async def test_all_that_a_key_may_do_is_answered(remote: Remote) -> None:
    trials = await try_all(remote)
    assert [(trial.question, trial.rows) for trial in trials[:2]] == [(Question.SYMBOLS, 2), (Question.SESSIONS, 5)]
    assert {trial.outcome for trial in trials} == {Outcome.OK}
    found = of_bars(trials)
    assert [row[:2] for row in found[:2]] == [("1d", "2026-11-16"), ("1d", "2026-08-07")]
    # Minutes reach back two years.
    assert [row[:2] for row in found[6:]] == [("1m", "2026-11-16"), ("1m", "2026-08-07"), ("1m", "2025-11-14")]
    assert all(rows for _, _, rows, _ in found)


async def test_what_a_plan_lacks_fails_alone_with_its_reason(remote: Remote) -> None:
    def refuse_minutes(request: Request, usual: Response) -> Response:
        refusal = as_json({"message": "This API is not available on your subscription."}, 403)
        return refusal if request.path.endswith("minute") else usual

    fake = remote.fake
    assert isinstance(fake, FakeJquants)
    fake.faults_by_code["72030"] = refuse_minutes
    trials = await try_all(remote)
    failed = [trial for trial in trials if not trial.outcome.is_fine]
    assert [(trial.interval, trial.rows) for trial in failed] == [("1m", None)] * 3
    assert all("its plan the data" in trial.message for trial in failed)
    assert {row[3] for row in of_bars(trials) if row[0] == "1d"} == {"ok"}


async def test_a_wrong_key_fails_everything_and_is_named_nowhere(remote: Remote) -> None:
    def refuse(_request: Request, _usual: Response) -> Response:
        return as_json({"message": "The incoming api key is invalid or expired."}, 403)

    fake = remote.fake
    assert isinstance(fake, FakeJquants)
    fake.faults = [refuse] * 100
    trials = await try_all(remote)
    assert {trial.outcome for trial in trials} == {Outcome.PROVIDER_ERROR}
    assert all("JQUANTS_API_KEY must hold" in trial.message and remote.secret not in trial.message for trial in trials)


async def test_a_symbol_that_was_not_listed_is_an_answer(remote: Remote) -> None:
    assert {row[2:] for row in of_bars(await try_all(remote, "9999")) if row[0] == "1d"} == {(0, "not_listed")}
