"""Errors that J-Quants documents, and those seen of Yahoo, each as the outcome of every symbol, with what to do.

J-Quants: https://jpx-jquants.com/spec/response-status (texts in `message`; 429 names no pause; no rows are 200 with an
empty list). Its gateway answers 401, 404, 413 and 503, which the page does not list.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date

import orjson
import pytest

from kaboom.errors import RateLimited
from kaboom.ingest.window import fetch_all
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.text.translate import translate
from tests.fixtures.providers.fake_jquants import FakeJquants
from tests.fixtures.providers.provider_faults import Fault, say_status
from tests.fixtures.providers.remote import Remote
from tests.fixtures.providers.remote_providers import REMOTES

pytestmark = pytest.mark.anyio
SESSION = date(2026, 11, 16)
SYMBOLS = ("7203", "6758")
KEY = "JQUANTS_API_KEY must hold a valid key, and its plan the data"
EVER = 50


@dataclass(frozen=True)
class Case:
    """What a server answers to everything, and what becomes of each symbol."""

    status: int
    body: object
    says: str
    is_retried: bool = False

    def outcome(self, interval: Interval) -> Outcome:
        """Return what becomes of a symbol: a question for one symbol may be rejected for that symbol."""
        is_its_own = self.status in {400, 404, 413} and interval is Interval.M1
        return Outcome.INVALID if is_its_own else Outcome.PROVIDER_ERROR

    @property
    def fault(self) -> Fault:
        """The answer."""
        return say_status(self.status, self.body if isinstance(self.body, str) else orjson.dumps(self.body).decode())


def message(text: str) -> dict[str, str]:
    return {"message": text}


JQUANTS = [
    Case(210, message("No data"), "status was 210, expected 200; it said 'No data'"),
    Case(400, message("This API requires at least 1 parameter as follows; date, code"), "at least 1 parameter as"),
    Case(400, message("The code is not valid."), "status was 400, expected 200; it said 'The code is not valid.'"),
    Case(401, message("Unauthorized"), f"jquants said 401, it refused the request: {KEY}"),
    Case(403, message("The incoming api key is invalid or expired."), "it said 'The incoming api key is invalid or ex"),
    Case(403, message("This API is not available on your subscription."), "it said 'This API is not available on your"),
    Case(403, message("Missing Authentication Token"), f"jquants said 403, it refused the request: {KEY}"),
    Case(404, message("Not Found"), "status was 404, expected 200; it said 'Not Found'"),
    Case(413, message("Request Too Long"), "status was 413, expected 200; it said 'Request Too Long'"),
    Case(500, message("Internal server error"), "status was 500", is_retried=True),
    Case(503, "<html>Service Unavailable</html>", "status was 503, expected 200; it said '<html>", is_retried=True),
]
YAHOO = [
    Case(401, {"finance": {"error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}, "said 401, it refused"),
    Case(403, "Forbidden", "yahoo said 403, it refused the request: Yahoo rejects some callers"),
    Case(500, "", "status was 500, expected 200; it said nothing", is_retried=True),
    Case(502, "<html>Bad Gateway</html>", "status was 502", is_retried=True),
    Case(503, "", "status was 503", is_retried=True),
]
ALL = [("jquants", case) for case in JQUANTS] + [("yahoo", case) for case in YAHOO]


@pytest.fixture
def remotes() -> Iterator[Callable[[str], Remote]]:
    opened: list[AbstractContextManager[Remote]] = []

    def open_one(name: str) -> Remote:
        opened.append(REMOTES[name]())
        return opened[-1].__enter__()

    yield open_one
    for each in opened:
        each.__exit__(None, None, None)


async def fetch(remote: Remote, interval: Interval, attempts: int = 1) -> FetchedBars:
    provider = remote.build()
    try:
        return await fetch_all(provider, BarRequest(SYMBOLS, interval, (SESSION,)), attempts=attempts)
    finally:
        await provider.close()


@pytest.mark.parametrize("interval", [Interval.D1, Interval.M1])
@pytest.mark.parametrize(("name", "case"), ALL, ids=[f"{name} {case.status} {case.says[-12:]}" for name, case in ALL])
async def test_an_error_is_the_outcome_of_every_symbol(
    remotes: Callable[[str], Remote], name: str, case: Case, interval: Interval
) -> None:
    remote = remotes(name)
    remote.fake.faults = [case.fault] * EVER
    fetched = await fetch(remote, interval, attempts=2)
    assert fetched.bars.is_empty()
    assert {symbol: said.outcome for symbol, said in fetched.outcomes.items()} == dict.fromkeys(
        SYMBOLS, case.outcome(interval)
    )
    for said in fetched.outcomes.values():
        assert case.says in said.message
        assert said.attempts == (2 if case.is_retried else 1)
        japanese = translate(said.message, "ja")
        assert japanese != said.message
        assert not any(word in japanese for word in ("must hold", "rejects some", "expected 200"))


@pytest.mark.parametrize("name", ["jquants", "yahoo"])
@pytest.mark.parametrize("interval", [Interval.D1, Interval.M1])
async def test_a_429_without_a_pause_is_rate_limited(
    remotes: Callable[[str], Remote], name: str, interval: Interval
) -> None:
    remote = remotes(name)
    remote.fake.faults = [say_status(429, '{"message":"Too Many Requests"}')] * EVER
    fetched = await fetch(remote, interval)
    assert {said.outcome for said in fetched.outcomes.values()} == {Outcome.RATE_LIMITED}
    assert fetched.outcomes.keys() == set(SYMBOLS)
    provider = remote.build()
    with pytest.raises(RateLimited) as caught:
        await fetch_all(provider, BarRequest(SYMBOLS, interval, (SESSION,)), attempts=1, patience_s=60)
    await provider.close()
    assert caught.value.retry_after_s == 30


async def test_a_rejected_code_costs_its_own_symbol_only(remotes: Callable[[str], Remote]) -> None:
    remote = remotes("jquants")
    assert isinstance(remote.fake, FakeJquants)
    remote.fake.faults_by_code["72030"] = say_status(400, '{"message":"The code is not valid."}')
    fetched = await fetch(remote, Interval.M1)
    assert set(fetched.bars["symbol"]) == {"6758"}
    assert {symbol: said.outcome for symbol, said in fetched.outcomes.items()} == {"7203": Outcome.INVALID}


async def test_an_empty_list_is_no_error(remotes: Callable[[str], Remote]) -> None:
    remote = remotes("jquants")
    assert isinstance(remote.fake, FakeJquants)
    remote.fake.faults_by_code["72030"] = say_status(200, '{"data":[]}')
    fetched = await fetch(remote, Interval.M1)
    assert fetched.outcomes["7203"].outcome in {Outcome.NO_TRADES, Outcome.NOT_LISTED}
