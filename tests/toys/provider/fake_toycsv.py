"""A fake of the server of toycsv, and its entry for the contract tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from kaboom.drivers.http.client import HttpClient
from kaboom.market.calendar import sessions_between
from kaboom.market.interval import Interval
from kaboom.providers.base import BarProvider
from kaboom.providers.limiter.rate_limiter import RateLimiter
from kaboom.providers.wire import ProviderWire
from tests.fixtures.providers.fake_market import FakeMarket, small_market
from tests.fixtures.providers.provider_faults import Fault
from tests.fixtures.providers.remote import Remote
from tests.fixtures.servers.http_servers import Request, Response, serving
from tests.toys.provider.toycsv.provider import TOYCSV_SERVER, ToyCsvProvider

_FIELDS = ("open", "high", "low", "close", "volume")


@dataclass
class FakeCsvServer:
    """A running server of daily bars in CSV; `most_at_once` is how many requests were under way together."""

    url: str = ""
    market: FakeMarket = field(default_factory=lambda: small_market("7203", "6758"))
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    most_at_once: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        with self._lock:
            self.requests.append(request)
            fault = self.faults.pop(0) if self.faults else None
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            usual = self._usual(request.params)
            return fault(request, usual) if fault else usual
        finally:
            with self._lock:
                self._under_way -= 1

    def _usual(self, params: dict[str, str]) -> Response:
        symbol = params["symbol"]
        if symbol not in self.market.listed:
            return Response(200, b"unknown symbol\n")
        lines = ["date," + ",".join(_FIELDS)]
        for day in sessions_between(date.fromisoformat(params["from"]), date.fromisoformat(params["to"])):
            bars = self.market.bars(symbol, day, Interval.D1)
            lines += [f"{day}," + ",".join(str(bar[name]) for name in _FIELDS) for bar in bars]
        return Response(200, ("\n".join(lines) + "\n").encode(), {"Content-Type": "text/csv"})


@contextmanager
def csv_server() -> Iterator[FakeCsvServer]:
    """Run a server."""
    fake = FakeCsvServer()
    with serving(fake.answer) as url:
        fake.url = url
        yield fake


def _connect(client: HttpClient, rate_limiter: RateLimiter) -> BarProvider:
    return ToyCsvProvider(ProviderWire(client, TOYCSV_SERVER, rate_limiter, headers={}))


@contextmanager
def toycsv_remote() -> Iterator[Remote]:
    """Run a server for the contract tests."""
    with csv_server() as fake:
        yield Remote(fake, _connect, tells_end=False)
