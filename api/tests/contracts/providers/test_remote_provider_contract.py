"""What every provider that asks a server promises where the server fails: no fault becomes "no trades"."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import date

import pytest

from batch.errors import ProviderError, RateLimited
from batch.market.interval import Interval
from batch.market.listing import Market
from batch.market.outcome import Outcome
from batch.providers.base import BarRequest, FetchedBars
from batch.providers.limiter.memory import MemoryPermitStore
from batch.providers.limiter.port import Limits
from batch.providers.limiter.rate_limiter import SharedRateLimiter
from batch.providers.registry import get_provider_spec, provider_names
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants
from tests.fixtures.providers.provider_faults import SPOILT, answer_late, say_status
from tests.fixtures.providers.remote_providers import REMOTES, CountingRateLimiter, Remote

pytestmark = pytest.mark.anyio

SESSION = date(2026, 11, 16)
SYMBOLS = ("7203", "6758", "1301")
INTERVALS = pytest.mark.parametrize("interval", [Interval.M1, Interval.H1, Interval.D1])
EVER = 50


@pytest.fixture(params=sorted(REMOTES))
def remote(request: pytest.FixtureRequest) -> Iterator[Remote]:
    with REMOTES[request.param]() as remote:
        yield remote


async def fetch(
    remote: Remote, interval: Interval = Interval.M1, symbols: tuple[str, ...] = SYMBOLS, timeout_s: float = 30.0
) -> FetchedBars:
    provider = remote.build(timeout_s=timeout_s)
    try:
        return await provider.fetch_bars(BarRequest(symbols, interval, (SESSION,)))
    finally:
        await provider.close()


async def outcomes(remote: Remote, interval: Interval) -> dict[str, Outcome]:
    """Return what became of each symbol, whether the provider said so or raised."""
    try:
        fetched = await fetch(remote, interval)
    except ProviderError as e:
        return dict.fromkeys(SYMBOLS, Outcome.RATE_LIMITED if isinstance(e, RateLimited) else Outcome.PROVIDER_ERROR)
    return {symbol: said.outcome for symbol, said in fetched.outcomes.items()}


def test_every_provider_under_terms_is_here() -> None:
    assert set(REMOTES) == {name for name in provider_names() if get_provider_spec(name).terms_url}


@INTERVALS
@pytest.mark.parametrize("fault", SPOILT)
async def test_a_spoilt_answer_is_a_fault(remote: Remote, fault: str, interval: Interval) -> None:
    remote.fake.faults = [SPOILT[fault]] * EVER
    assert await outcomes(remote, interval) == dict.fromkeys(SYMBOLS, Outcome.PROVIDER_ERROR)


# aiohttp itself asks once more where a connection ends without an answer.
@pytest.mark.parametrize("fault", sorted(SPOILT.keys() - {"no answer"}))
async def test_what_is_spoilt_once_comes_at_the_next_try(remote: Remote, fault: str) -> None:
    remote.fake.faults = [SPOILT[fault]]
    spoilt = await outcomes(remote, Interval.M1)
    assert Outcome.PROVIDER_ERROR in spoilt.values()
    assert not spoilt.keys() - set(SYMBOLS)
    assert not (await fetch(remote)).outcomes


@pytest.mark.parametrize("status", [401, 403])
@INTERVALS
async def test_a_refusal_ends_it_and_says_what_to_do(remote: Remote, status: int, interval: Interval) -> None:
    remote.fake.faults = [say_status(status)] * EVER
    with pytest.raises(ProviderError, match=f"said {status}, it refused us: .{{20}}") as caught:
        await fetch(remote, interval)
    assert not caught.value.retryable
    # Those that were under way are not called back.
    assert len(remote.fake.requests) <= 4


@INTERVALS
async def test_a_pause_is_as_long_as_the_server_says(remote: Remote, interval: Interval) -> None:
    remote.fake.faults = [say_status(429, Retry_After="7")] * EVER
    with pytest.raises(RateLimited, match="said 429") as caught:
        await fetch(remote, interval)
    assert caught.value.retry_after_s == 7


@INTERVALS
async def test_every_request_has_a_permit(remote: Remote, interval: Interval) -> None:
    if isinstance(remote.fake, FakeJquants):
        remote.fake.page_rows, remote.fake.minute_page_rows = 2, 100
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
        await provider.fetch_bars(BarRequest(SYMBOLS[:1], Interval.M1, (SESSION,)))
    await provider.close()
    (refused,) = rate_limiter.refused
    assert (isinstance(refused, RateLimited), refused.retryable) == (status == 429, status != 403)


async def test_nothing_is_sent_during_a_pause(remote: Remote) -> None:
    provider = remote.build(rate_limiter=SharedRateLimiter("any", MemoryPermitStore(Limits(concurrency=1))))
    request = BarRequest(SYMBOLS[:1], Interval.M1, (SESSION,))
    remote.fake.faults = [say_status(429, Retry_After="40")]
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            await provider.fetch_bars(request)
        assert caught.value.retry_after_s == pytest.approx(40, abs=5)
    await provider.close()
    assert len(remote.fake.requests) == 1


async def test_a_429_in_the_middle_keeps_what_came_and_accounts_for_the_rest(remote: Remote) -> None:
    symbols = tuple(f"{n}" for n in range(1300, 1330))
    remote.fake.market.listed = dict.fromkeys(symbols, "0111")
    keep = [lambda _request, usual: usual] * 6
    remote.fake.faults = [*keep, *[say_status(429, Retry_After="40")] * EVER]
    fetched = await fetch(remote, Interval.M1, symbols)
    came = set(fetched.bars["symbol"])
    assert len(came) == 6
    assert {s: o.outcome for s, o in fetched.outcomes.items()} == {
        s: Outcome.RATE_LIMITED for s in symbols if s not in came
    }
    concurrency = get_provider_spec(remote.build().name).capabilities.concurrency or 1
    assert len(remote.fake.requests) <= 6 + concurrency


async def test_a_server_that_does_not_answer_is_not_waited_for(remote: Remote) -> None:
    released = threading.Event()
    remote.fake.faults = [answer_late(released)] * EVER
    try:
        fetched = await fetch(remote, Interval.M1, timeout_s=0.1)
    finally:
        released.set()
    assert {o.outcome for o in fetched.outcomes.values()} == {Outcome.PROVIDER_ERROR}
    assert "no answer within 0.1 s" in fetched.outcomes["7203"].message


async def test_an_endless_answer_is_cut_off(remote: Remote) -> None:
    remote.fake.faults = [say_status(200, "[" * 20_000)] * EVER
    provider = remote.build(max_bytes=10_000)
    fetched = await provider.fetch_bars(BarRequest(SYMBOLS, Interval.M1, (SESSION,)))
    await provider.close()
    assert {o.message.partition(": ")[2] for o in fetched.outcomes.values()} == {
        "the answer was longer than 10,000 bytes"
    }


@pytest.mark.parametrize("status", [200, 400, 403, 404, 418, 429, 500])
async def test_a_key_that_is_said_back_is_in_no_message(remote: Remote, status: int) -> None:
    remote.fake.faults = [say_status(status, f"key {API_KEY} of {API_KEY}")] * EVER
    try:
        said = [outcome.message for outcome in (await fetch(remote)).outcomes.values()]
    except ProviderError as e:
        said = [f"{e} {e.__cause__}"]
    assert said
    if remote.build().name == "jquants":
        assert API_KEY not in " ".join(said)


async def test_a_quiet_symbol_is_told_from_one_that_is_not_listed(remote: Remote) -> None:
    remote.fake.market.quiet = {"6758"}
    for interval in (Interval.M1, Interval.D1):
        fetched = await fetch(remote, interval, ("7203", "6758", "9999"))
        assert {s: o.outcome for s, o in fetched.outcomes.items()} == {
            "6758": Outcome.NO_TRADES,
            "9999": Outcome.NOT_LISTED,
        }
