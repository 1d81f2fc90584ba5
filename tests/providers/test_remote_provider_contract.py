"""The contract of providers with limits, when their server fails: no fault becomes "no trades"."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import date

import pytest

from kaboom.errors import ProviderError, RateLimited
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.limiter.memory import MemoryPermitStore
from kaboom.providers.limiter.port import Limits
from kaboom.providers.limiter.rate_limiter import SharedRateLimiter
from kaboom.providers.registry import get_provider_spec, provider_specs
from tests.fixtures.providers.outcomes import outcomes_of, say_outcomes
from tests.fixtures.providers.provider_faults import SPOILT, answer_late, say_status
from tests.fixtures.providers.remote import Remote
from tests.fixtures.providers.remote_providers import REMOTES, CountingRateLimiter

pytestmark = pytest.mark.anyio

SESSION = date(2026, 11, 16)
SYMBOLS = ("7203", "6758", "1301")
INTERVALS = (Interval.M1, Interval.H1, Interval.D1)
EVER = 50


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on every provider with limits, at the intervals that it has."""
    names = sorted(REMOTES)
    if "interval" in metafunc.fixturenames:
        pairs = [(n, i) for n in names for i in INTERVALS if i in get_provider_spec(n).capabilities.intervals]
        metafunc.parametrize(("remote", "interval"), pairs, indirect=["remote"])
    elif "remote" in metafunc.fixturenames:
        metafunc.parametrize("remote", names, indirect=True)


@pytest.fixture
def remote(request: pytest.FixtureRequest) -> Iterator[Remote]:
    with REMOTES[request.param]() as remote:
        yield remote


async def fetch(
    remote: Remote, interval: Interval | None = None, symbols: tuple[str, ...] = SYMBOLS, timeout_s: float = 30.0
) -> FetchedBars:
    provider = remote.build(timeout_s=timeout_s)
    try:
        return await provider.fetch_bars(BarRequest(symbols, interval or remote.shortest, (SESSION,)))
    finally:
        await provider.close()


async def outcomes(remote: Remote, interval: Interval) -> tuple[dict[str, Outcome], str]:
    """Return what became of each symbol, and in which words, whether the provider said so or raised."""
    try:
        fetched = await fetch(remote, interval)
    except ProviderError as e:
        outcome = Outcome.RATE_LIMITED if isinstance(e, RateLimited) else Outcome.PROVIDER_ERROR
        return dict.fromkeys(SYMBOLS, outcome), f"the provider raised {e}"
    return outcomes_of(fetched), say_outcomes(fetched)


def test_every_provider_with_a_limit_is_here() -> None:
    limited = {spec.name for spec in provider_specs() if spec.has_limits}
    assert set(REMOTES) == limited, "add an entry to REMOTES in tests/fixtures/providers/remote_providers.py"


@pytest.mark.parametrize("fault", SPOILT)
async def test_a_corrupt_answer_is_a_fault(remote: Remote, fault: str, interval: Interval) -> None:
    remote.fake.faults = [SPOILT[fault]] * EVER
    spoilt, said = await outcomes(remote, interval)
    assert spoilt == dict.fromkeys(SYMBOLS, Outcome.PROVIDER_ERROR), said


# libcurl itself sends a request again where a kept connection ends without an answer.
@pytest.mark.parametrize("fault", sorted(SPOILT.keys() - {"no answer"}))
async def test_a_fault_that_happens_once_is_gone_at_the_next_try(remote: Remote, fault: str) -> None:
    remote.fake.faults = [SPOILT[fault]]
    spoilt, said = await outcomes(remote, remote.shortest)
    assert Outcome.PROVIDER_ERROR in spoilt.values(), said
    assert not spoilt.keys() - set(SYMBOLS), said
    again = await fetch(remote)
    assert not again.outcomes, say_outcomes(again)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_ends_the_call_and_says_what_to_do(remote: Remote, status: int, interval: Interval) -> None:
    remote.fake.faults = [say_status(status)] * EVER
    with pytest.raises(ProviderError, match=f"said {status}, it refused the request: .{{20}}") as caught:
        await fetch(remote, interval)
    assert not caught.value.retryable
    # Those that were under way are not called back.
    assert len(remote.fake.requests) <= 4


async def test_a_pause_is_as_long_as_the_server_says(remote: Remote, interval: Interval) -> None:
    remote.fake.faults = [say_status(429, Retry_After="7")] * EVER
    with pytest.raises(RateLimited, match="said 429") as caught:
        await fetch(remote, interval)
    assert caught.value.retry_after_s == 7


async def test_every_request_has_a_permit(remote: Remote, interval: Interval) -> None:
    remote.use_small_pages()
    rate_limiter = CountingRateLimiter()
    provider = remote.build(rate_limiter=rate_limiter)
    await provider.fetch_bars(BarRequest((*SYMBOLS, "9999"), interval, (SESSION,)))
    await provider.fetch_universe(Market.TSE_PRIME, SESSION)
    await provider.fetch_sessions(interval, 3, SESSION)
    await provider.close()
    assert rate_limiter.permits == len(remote.fake.requests) > 0


@pytest.mark.parametrize("status", [429, 503, 403])
async def test_the_rate_limiter_sees_how_a_request_ended(remote: Remote, status: int) -> None:
    rate_limiter = CountingRateLimiter()
    remote.fake.faults = [say_status(status, Retry_After="9")]
    provider = remote.build(rate_limiter=rate_limiter)
    # Some raise it; some report it for the symbol. The rate limiter sees it first.
    with contextlib.suppress(ProviderError):
        await provider.fetch_bars(BarRequest(SYMBOLS[:1], remote.shortest, (SESSION,)))
    await provider.close()
    (refused,) = rate_limiter.refused
    assert (isinstance(refused, RateLimited), refused.retryable) == (status == 429, status != 403)


async def test_nothing_is_sent_during_a_pause(remote: Remote) -> None:
    provider = remote.build(rate_limiter=SharedRateLimiter("any", MemoryPermitStore(Limits(concurrency=1))))
    request = BarRequest(SYMBOLS[:1], remote.shortest, (SESSION,))
    remote.fake.faults = [say_status(429, Retry_After="40")]
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            await provider.fetch_bars(request)
        assert caught.value.retry_after_s == pytest.approx(40, abs=5)
    await provider.close()
    assert len(remote.fake.requests) == 1


async def test_a_429_in_the_middle_keeps_earlier_answers(remote: Remote) -> None:
    symbols = tuple(f"{n}" for n in range(1300, 1330))
    remote.fake.market.listed = dict.fromkeys(symbols, "0111")
    keep = [lambda _request, usual: usual] * 6
    remote.fake.faults = [*keep, *[say_status(429, Retry_After="40")] * EVER]
    fetched = await fetch(remote, symbols=symbols)
    came = set(fetched.bars["symbol"])
    assert len(came) == 6, say_outcomes(fetched)
    assert outcomes_of(fetched) == {s: Outcome.RATE_LIMITED for s in symbols if s not in came}, say_outcomes(fetched)
    concurrency = get_provider_spec(remote.build().name).capabilities.concurrency or 1
    assert len(remote.fake.requests) <= 6 + concurrency


async def test_a_silent_server_times_out(remote: Remote) -> None:
    released = threading.Event()
    remote.fake.faults = [answer_late(released)] * EVER
    try:
        fetched = await fetch(remote, timeout_s=0.1)
    finally:
        released.set()
    assert set(outcomes_of(fetched).values()) == {Outcome.PROVIDER_ERROR}, say_outcomes(fetched)
    assert "no answer within 0.1 s" in fetched.outcomes["7203"].message


async def test_an_endless_answer_is_cut_off(remote: Remote) -> None:
    remote.fake.faults = [say_status(200, "[" * 20_000)] * EVER
    provider = remote.build(max_bytes=10_000)
    fetched = await provider.fetch_bars(BarRequest(SYMBOLS, remote.shortest, (SESSION,)))
    await provider.close()
    assert {o.message.partition(": ")[2] for o in fetched.outcomes.values()} == {
        "the answer was longer than 10,000 bytes"
    }


@pytest.mark.parametrize("status", [200, 400, 403, 404, 418, 429, 500])
async def test_an_echoed_key_is_in_no_message(remote: Remote, status: int) -> None:
    secret = remote.secret or "no secret"
    remote.fake.faults = [say_status(status, f"key {secret} of {secret}")] * EVER
    try:
        said = [outcome.message for outcome in (await fetch(remote)).outcomes.values()]
    except ProviderError as e:
        said = [f"{e} {e.__cause__}"]
    assert said
    if remote.secret:
        assert remote.secret not in " ".join(said)


async def test_a_quiet_symbol_differs_from_an_unlisted_one(remote: Remote, interval: Interval) -> None:
    remote.fake.market.quiet = {"6758"}
    fetched = await fetch(remote, interval, ("7203", "6758", "9999"))
    assert outcomes_of(fetched) == {"6758": Outcome.NO_TRADES, "9999": Outcome.NOT_LISTED}, say_outcomes(fetched)
