"""The client: bars as polars frames, and jobs, of a running Kaboom or of what one left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from kaboom.client.backtests import Backtest, BacktestOptions
from kaboom.client.fundamentals import read_statements
from kaboom.client.jobs import Job, submit
from kaboom.client.portfolios import PORTFOLIOS, Portfolio, find_portfolio
from kaboom.client.source import Asked, BarOptions, IntervalName, Source, Span, When, to_text
from kaboom.client.symbols import Symbol, Symbols, describe_unknown, to_codes, to_symbols
from kaboom.client.wire import Wire
from kaboom.errors import InvalidRequest, NeedsServer, NotFound
from kaboom.market.interval import Interval, parse_interval

if TYPE_CHECKING:
    import polars as pl


_JOBS = "/api/v1/jobs"


@dataclass(frozen=True, slots=True)
class Kaboom:
    """One Kaboom. Reading needs a running one, a data folder or a mirror; all else needs a running one.

    `connect` makes it. It may be used by several threads. Times are UTC, and mark the start of a bar; a daily bar is
    stamped 00:00 UTC of its session.
    """

    source: Source
    wire: Wire | None = None

    def bars(
        self,
        symbols: Symbols | None = None,
        interval: IntervalName = "1d",
        start: When | None = None,
        end: When | None = None,
        **options: Unpack[BarOptions],
    ) -> "pl.DataFrame":
        """Return bars with `start <= opened_at < end`, sorted by symbol, then opened_at.

        Without symbols, those of a `market`, such as TSE_PRIME, or else all that are held. A day begins at 00:00 in
        Japan. By default the span is the month before tonight, of daily bars the year. Prices are yen, adjusted for
        splits unless `adjusted` is false, and for dividends too with `total_return`; volumes are shares. A mirror has
        raw prices alone. With `as_of`, bars are as they were known then. Daily bars have their day in Japan as `date`.

        >>> kb.bars(7203, "1d", adjusted=False).columns
        ['symbol', 'opened_at', 'open', 'high', 'low', 'close', 'volume', 'flags', 'date']
        >>> kb.bars(["6758", "7203"], "1d")["symbol"].unique().sort().to_list()
        ['6758', '7203']

        Raises:
            InvalidRequest: a symbol is neither held nor listed, and the message has the nearest; or the interval, the
                span or the provider cannot be.
            NotFound: no bars are held of all that was asked for.
            KaboomError: the source cannot be read.

        """
        return read_bars(self.source, _ask(interval, symbols, start=start, end=end, **options))

    def closes(
        self,
        symbols: Symbols | None = None,
        interval: IntervalName = "1d",
        start: When | None = None,
        end: When | None = None,
        **options: Unpack[BarOptions],
    ) -> "pl.DataFrame":
        """Return the closes of what `bars` returns: a row for each day, a column for each symbol that has bars.

        Rows are sorted by `date`, or by `opened_at` if bars are not daily; columns by symbol. Where a symbol has no bar
        there is null.

        >>> kb.closes(["6758", "7203"]).columns
        ['date', '6758', '7203']

        Raises:
            KaboomError: as `bars`.

        """
        return spread_closes(read_bars(self.source, _ask(interval, symbols, start=start, end=end, **options)))

    def universe(self, market: str = "TSE_PRIME", session: date | None = None) -> "pl.DataFrame":
        """Return the listings of a market as of a session, by default today, sorted by symbol.

        >>> kb.universe("TSE_PRIME").height > 1500
        True

        Raises:
            NotFound: only files know the symbols of this market.

        """
        return self.source.universe(market, session)

    def calendar(self, first: date, last: date | None = None) -> "pl.DataFrame":
        """Return the sessions of the TSE from `first` to `last` inclusive, by default of 31 days, with their hours.

        >>> from datetime import date
        >>> kb.calendar(date(2025, 11, 1), date(2025, 11, 5))["session"].to_list()
        [datetime.date(2025, 11, 4), datetime.date(2025, 11, 5)]

        """
        return self.source.calendar(first, last or first + timedelta(days=31))

    def coverage(
        self,
        interval: IntervalName = "1d",
        first: date | None = None,
        last: date | None = None,
        *,
        symbols: Symbols | None = None,
        provider: str | None = None,
    ) -> "pl.DataFrame":
        """Return the bars that are held of each symbol and session, by default of the last 30 days.

        >>> kb.coverage("1d", symbols=["7203"]).columns
        ['symbol', 'session', 'bars', 'first_at', 'last_at', 'flagged', 'flags']

        """
        from kaboom.drivers.clock import utc_now  # noqa: PLC0415  with the calendar
        from kaboom.market.calendar import JST  # noqa: PLC0415  no other call needs the calendar

        last = last or utc_now().astimezone(JST).date()
        return self.source.coverage(interval, first or last - timedelta(days=30), last, to_symbols(symbols), provider)

    def indicators(
        self,
        symbol: Symbol,
        names: Sequence[str] = ("sma:25", "rsi", "macd"),
        interval: IntervalName = "1d",
        **span: Unpack[Span],
    ) -> "pl.DataFrame":
        """Return one symbol's bars with a column for each indicator, computed here from the bars of the span.

        The first rows of an average have no value: it looks back on bars of the span alone. `kaboom bars indicators
        -i list` lists the names.

        >>> kb.indicators("7203", ["sma:5"]).columns[-1]
        'sma_5'

        Raises:
            InvalidRequest: an indicator is unknown, or what `bars` refuses.

        """
        from kaboom.indicators.formulas import compute_indicators  # noqa: PLC0415  polars, numpy and TA-Lib
        from kaboom.indicators.table import parse_indicators  # noqa: PLC0415  with the formulas

        chosen = parse_indicators(names, parse_interval(interval))
        return compute_indicators(read_bars(self.source, _ask(interval, (symbol,), **span)), chosen)

    def fundamentals(
        self, symbol: Symbol | None = None, *, as_of: When | None = None, provider: str | None = None
    ) -> "pl.DataFrame":
        """Return the statements of a symbol, newest first, or the newest one of each symbol, as public at a moment.

        A time of `disclosed_at` and `known_at` is UTC. What is disclosed at the close of a session or later was not
        known in it.

        >>> kb.fundamentals("7203").columns[:4]
        ['symbol', 'document', 'kind', 'period']

        Raises:
            NeedsServer: no Kaboom runs.
            InvalidRequest: the provider has no statements, or the moment is in the future.

        """
        return read_statements(self._server(), symbol, {"as_of": to_text(as_of), "provider": provider})

    def submit(self, task: str, **request: Any) -> Job:
        """Submit a job: `task` is `queue.verb`, the rest are the fields of its request.

        >>> job = kb.submit("ingest.run_daily", intervals={"1d": 5}, symbols=["7203"])
        >>> job.wait(timeout_s=60).status
        'completed'

        Raises:
            InvalidRequest: the task has another form, or the request is invalid.
            NotFound: there is no such task.
            NeedsServer: no Kaboom runs.

        """
        return submit(self._server(), task, request)

    def jobs(self, *, status: str | None = None, limit: int = 20) -> list[Job]:
        """Return the newest jobs, newest first.

        >>> len(kb.jobs(limit=1))
        1

        """
        wire = self._server()
        params = {"limit": limit} | ({"status": status} if status else {})
        found = wire.call("GET", _JOBS, params=params)["items"]
        return [Job(wire, each["links"]["self"], each) for each in found]

    def backtest(
        self,
        strategy: str,
        symbols: Symbols | None = None,
        *,
        progress: bool = False,
        timeout_s: float | None = None,
        **request: Unpack[BacktestOptions],
    ) -> Backtest:
        """Run a strategy over bars that are held, wait, and return what it found.

        `request` are further fields, such as `parameters`, `interval`, `sessions`, `cash` and `market`;
        `BacktestOptions` has them all.

        >>> found = kb.backtest("sma_cross", "7203", parameters={"fast": 5, "slow": 20}, sessions=60)
        >>> "sharpe" in found.metrics
        True
        >>> "A fill costs 0.050% of its value" in repr(found)
        True

        Raises:
            InvalidRequest: the request is invalid.
            JobFailed: there are no such bars, or the strategy failed.
            NeedsServer: no Kaboom runs.

        """
        wire = self._server()
        body: dict[str, Any] = {"strategy": strategy, **request}
        if named := to_symbols(symbols):
            body["symbols"] = named
        job = submit(wire, "backtest.run", body).wait(progress=progress, timeout_s=timeout_s)
        return Backtest.load(wire, job)

    def factor_report(
        self,
        expression: str,
        symbols: Symbols | None = None,
        *,
        progress: bool = False,
        timeout_s: float | None = None,
        **request: Any,
    ) -> Mapping[str, Any]:
        """Measure how well a column of daily bars or statements orders the returns that follow, and return the report.

        `request` are further fields, such as `market`, `horizons`, `quantiles`, `sessions` and `as_of`.

        Raises:
            InvalidRequest: the request is invalid.
            JobFailed: there are no such bars, or no session can be measured.
            NeedsServer: no Kaboom runs.

        """
        body: dict[str, Any] = {"expression": expression, **request}
        if named := to_symbols(symbols):
            body["symbols"] = named
        return submit(self._server(), "market_data.factors", body).wait(progress=progress, timeout_s=timeout_s).result

    def analyse(
        self, symbols: Symbols, *, progress: bool = False, timeout_s: float | None = None, **request: Any
    ) -> Mapping[str, Any]:
        """Analyse symbols, wait, and return the analyses; information only, no investment advice.

        `request` are further fields, such as `kind`, `sessions`, `analyst` and `language`.

        >>> found = kb.analyse("7203", analyst="rules", sessions=30, language="en")
        >>> [one["subject"] for one in found["analyses"]]
        ['7203']

        Raises:
            InvalidRequest: the request is invalid.
            JobFailed: there are no such bars.
            NeedsServer: no Kaboom runs.

        """
        body = {"symbols": to_symbols(symbols), **request}
        return submit(self._server(), "ai_analysis.analyse", body).wait(progress=progress, timeout_s=timeout_s).result

    def portfolios(self) -> list[Portfolio]:
        """Return your portfolios, by name.

        >>> mine = kb.create_portfolio("notebook")
        >>> [each.name for each in kb.portfolios()]
        ['notebook']

        """
        wire = self._server()
        return [Portfolio(wire, each) for each in wire.call("GET", PORTFOLIOS)["items"]]

    def portfolio(self, name: str) -> Portfolio:
        """Return a portfolio by its name or id.

        Raises:
            NotFound: there is none.

        """
        return find_portfolio(self._server(), name)

    def create_portfolio(self, name: str, **fields: Any) -> Portfolio:
        """Create a portfolio in yen; `fields` may say `provider` and `lot`.

        Raises:
            Conflict: there is one of this name.

        """
        wire = self._server()
        return Portfolio(wire, wire.call("POST", PORTFOLIOS, json={"name": name, **fields}))

    def _server(self) -> Wire:
        if self.wire is None:
            raise NeedsServer("no Kaboom runs, and this needs one: start it with `kaboom up`, or connect to its URL")
        return self.wire


def _ask(interval: str, symbols: Symbols | None, **span: Unpack[Span]) -> Asked:
    named = to_symbols(symbols)
    if named and span.get("market"):
        raise InvalidRequest("symbols and market were given, expected one of them", pointer="/market")
    return Asked(parse_interval(interval), named, **span)


def read_bars(source: Source, asked: Asked) -> "pl.DataFrame":
    """Return bars in `BAR_SCHEMA`, sorted by symbol, then opened_at; daily bars also have their day as `date`.

    Raises:
        InvalidRequest: a symbol is neither held nor listed, or what the source refuses.
        NotFound: of all symbols that were named no bars are held.
        KaboomError: the source cannot be read.

    """
    import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

    try:
        found = source.bars(asked)
    except InvalidRequest as e:
        if e.pointer.startswith("/symbol"):
            _refuse_unknown(source, asked, asked.symbols)
        raise
    if asked.symbols:
        read = set(found["symbol"].unique())
        if missing := [symbol for symbol in asked.symbols if read.isdisjoint(to_codes(symbol))]:
            held = _refuse_unknown(source, asked, missing)
            if not read and held.isdisjoint(code for symbol in missing for code in to_codes(symbol)):
                named = ", ".join(missing[:5])
                raise NotFound(
                    f"no bars of {named} are held with interval {asked.interval}; ingest.run_daily fetches them"
                )
    # A daily bar is stamped 00:00 UTC of its session.
    return found.with_columns(date=pl.col("opened_at").dt.date()) if asked.interval == Interval.D1 else found


def spread_closes(bars: "pl.DataFrame") -> "pl.DataFrame":
    """Return closes as a column for each symbol, after `date`, or after `opened_at` if the bars have no `date`.

    `bars` are as `read_bars` returns them. Where a symbol has no bar there is null.
    """
    import numpy as np  # noqa: PLC0415  with polars
    import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

    times = bars["date" if "date" in bars.columns else "opened_at"]
    rows, symbols = times.unique().sort(), bars["symbol"].unique(maintain_order=True)
    # Bars are sorted by symbol, and unique: each close is put in its place. `DataFrame.pivot` takes 40 times as long.
    grid = np.full((len(symbols), len(rows)), np.nan)
    grid[bars["symbol"].rle_id().to_numpy(), rows.search_sorted(times).to_numpy()] = bars["close"].to_numpy()
    columns = [pl.Series(symbol, closes, nan_to_null=True) for symbol, closes in zip(symbols, grid, strict=True)]
    return pl.DataFrame([rows, *columns])


def _refuse_unknown(source: Source, asked: Asked, symbols: tuple[str, ...] | list[str]) -> set[str]:
    """Raise for symbols that are neither held nor listed; return those that are held."""
    held, listings = set(source.held(asked)), source.listings()
    known = held.union(listings["symbol"])
    if unknown := [symbol for symbol in symbols if known.isdisjoint(to_codes(symbol))]:
        raise InvalidRequest(describe_unknown(unknown, held, listings), pointer="/symbols")
    return held
