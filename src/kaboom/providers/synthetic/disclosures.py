"""Made-up statements, announcements and dividends: a pure function of seed, symbol and fiscal year.

Every fiscal year ends on 31 March. Results of a quarter come on one of 21 days that begin 25 days after its end, at a
time between 11:30 and 17:00, and the day is announced 30 days before. The full year's profit for a share is the price
at which the calendar year began, divided by a ratio of the symbol, give or take 15 %; a quarter has its part of it.
The forecast misses it by at most 10 %, and 30 % of the profit are paid as one dividend. Every 40th statement is
corrected ten sessions later.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import numpy as np

from kaboom.market.calendar import JST, is_session, last_sessions, next_session, sessions_between
from kaboom.market.disclosure import FULL_YEAR, CompanyEvent, CompanyEventKind, Disclosures, Statement, end_of_day
from kaboom.providers.base import DisclosureKind
from kaboom.providers.synthetic.anchors import anchor_prices, build_traits
from kaboom.providers.synthetic.rng import Stream, derive_keys, hash_words, uniforms

#: Of a quarter: its name, its last day as years, month and day, and its part of the year's profit so far.
_QUARTERS = (("1Q", -1, 6, 30, 0.22), ("2Q", -1, 9, 30, 0.47), ("3Q", -1, 12, 31, 0.76), (FULL_YEAR, 0, 3, 31, 1.0))
_FIRST_DAY, _DAYS, _NOTICE = timedelta(days=25), 21, timedelta(days=30)
_TIMES = [time(11, 30), time(13), time(14), *[time(15)] * 3, *[time(15, 30)] * 4, time(16), time(17)]
_CORRECTED_P, _SESSIONS_TO_CORRECTION = 1 / 40, 10
_PER, _PBR, _MARGIN = (8.0, 30.0), (0.5, 3.0), (0.02, 0.12)
_LOG_SHARES = (7.0, 9.0)
_YEARLY_NOISE, _MISS, _PAYOUT = 0.15, 0.1, 0.3
_YEARS, _CACHED, _CACHED_LEVELS = 10, 1024, 64
#: Random numbers of a quarter: its day, its time, its correction.
_DRAWS = 8


@dataclass(frozen=True, slots=True)
class _Company:
    """The constants of a company."""

    symbol: str
    shares: float
    per: float
    pbr: float
    margin: float


def make_day(seed: int, symbols: Sequence[str], day: date, now: datetime) -> Disclosures:
    """Return what some companies disclosed on a day, as far as it is disclosed by `now` (aware)."""
    keys = derive_keys(seed, symbols)
    found: list[Statement | CompanyEvent] = []
    for year in (day.year, day.year + 1):
        for number in range(len(_QUARTERS)):
            draws = uniforms(hash_words(keys, Stream.STATEMENT, np.array([_counter(year, number)])))
            places = (draws * _DAYS).astype(int)
            for place, on in enumerate(_sessions(year, number)):
                mine = [symbols[n] for n in np.flatnonzero(places == place).tolist()]
                if day == on - _NOTICE:
                    found += [_announcement(symbol, year, number, on) for symbol in mine]
                if day in {on, _correction_day(on)}:
                    found += _results(seed, mine, year, number)
    return _as_disclosures(found, now, day)


def make_company(seed: int, symbol: str, now: datetime) -> Disclosures:
    """Return what a company has disclosed by `now` (aware), of the last ten fiscal years."""
    newest, found = now.astimezone(JST).year + 1, list[Statement | CompanyEvent]()
    for year in range(newest - _YEARS, newest + 1):
        for number in range(len(_QUARTERS)):
            found.append(_announcement(symbol, year, number, _day_of(seed, symbol, year, number)))
            found += _results(seed, [symbol], year, number)
    return _as_disclosures(found, now)


def only(kinds: Collection[DisclosureKind], found: Disclosures) -> Disclosures:
    """Return what is of some kinds."""
    wanted = {_EVENTS[kind] for kind in kinds if kind in _EVENTS}
    statements = found.statements if DisclosureKind.STATEMENTS in kinds else ()
    return Disclosures(statements, [event for event in found.events if event.kind in wanted])


_EVENTS = {
    DisclosureKind.ANNOUNCEMENTS: CompanyEventKind.ANNOUNCEMENT,
    DisclosureKind.DIVIDENDS: CompanyEventKind.DIVIDEND,
}


def _as_disclosures(found: Sequence[Statement | CompanyEvent], now: datetime, day: date | None = None) -> Disclosures:
    known = [each for each in found if each.disclosed_at <= now]
    if day is not None:
        # What is known at the end of a day was published on it.
        known = [
            each for each in known if (each.disclosed_at - timedelta(microseconds=1)).astimezone(JST).date() == day
        ]
    statements = [each for each in known if isinstance(each, Statement)]
    return Disclosures(statements, [each for each in known if isinstance(each, CompanyEvent)])


def _counter(year: int, number: int) -> int:
    return (year * len(_QUARTERS) + number) * _DRAWS


def _end_of(year: int, number: int) -> date:
    _, years, month, day, _ = _QUARTERS[number]
    return date(year + years, month, day)


@lru_cache(maxsize=_CACHED)
def _sessions(year: int, number: int) -> Sequence[date]:
    first = _end_of(year, number) + _FIRST_DAY
    days = [first + timedelta(days=n) for n in range(_DAYS)]
    return [day if is_session(day) else next_session(day) for day in days]


@lru_cache(maxsize=_CACHED)
def _correction_day(day: date) -> date:
    return sessions_between(day + timedelta(days=1), day + timedelta(days=40))[_SESSIONS_TO_CORRECTION - 1]


def _company(seed: int, symbol: str) -> _Company:
    draws = uniforms(hash_words(derive_keys(seed, [symbol]), Stream.STATEMENT, np.arange(4)))
    per, pbr, margin, log = (low + (high - low) * x for (low, high), x in zip(_RANGES, draws.tolist(), strict=True))
    return _Company(symbol, float(round(10**log)), per, pbr, margin)


_RANGES = (_PER, _PBR, _MARGIN, _LOG_SHARES)


@lru_cache(maxsize=_CACHED_LEVELS)
def _levels(seed: int, symbols: tuple[str, ...], year: int) -> Mapping[str, float]:
    """Return the prices with which a calendar year begins."""
    prices = anchor_prices(build_traits(seed, symbols, [""] * len(symbols)), year)
    return dict(zip(symbols, prices.tolist(), strict=True))


def _signed(seed: int, symbol: str, year: int, which: int) -> float:
    """Return a random number from -1 to 1 of a company and a year."""
    counter = np.array([_counter(year, 0) + 4 + which])
    return float(2 * uniforms(hash_words(derive_keys(seed, [symbol]), Stream.STATEMENT, counter))[0] - 1)


def _draws(seed: int, symbol: str, year: int, number: int) -> list[float]:
    counters = _counter(year, number) + np.arange(3)
    found: list[float] = uniforms(hash_words(derive_keys(seed, [symbol]), Stream.STATEMENT, counters)).tolist()
    return found


def _day_of(seed: int, symbol: str, year: int, number: int) -> date:
    return _sessions(year, number)[int(_draws(seed, symbol, year, number)[0] * _DAYS)]


def _announcement(symbol: str, year: int, number: int, on: date) -> CompanyEvent:
    period = _QUARTERS[number][0]
    return CompanyEvent(
        symbol=symbol, document=f"{CompanyEventKind.ANNOUNCEMENT}-{year}-{period}", kind=CompanyEventKind.ANNOUNCEMENT,
        subject=f"{year}-{period}", period=period, day=on, disclosed_at=end_of_day(on - _NOTICE),
    )  # fmt: skip


def _results(seed: int, symbols: Sequence[str], year: int, number: int) -> Iterator[Statement | CompanyEvent]:
    """Yield the statements of a quarter, their corrections, and the dividends of a full year."""
    levels = {each: _levels(seed, tuple(symbols), each) for each in (year, year + 1)}
    for symbol in symbols:
        company = _company(seed, symbol)
        eps = {
            each: round(found[symbol] / company.per * (1 + _YEARLY_NOISE * _signed(seed, symbol, each, 0)), 2)
            for each, found in levels.items()
        }
        misses = {each: _MISS * _signed(seed, symbol, each, 1) for each in levels}
        _, place, chance = _draws(seed, symbol, year, number)
        on = _day_of(seed, symbol, year, number)
        at = datetime.combine(on, _TIMES[int(place * len(_TIMES))], JST).astimezone(UTC)
        statement = _statement(company, (year, number), at, eps, misses)
        yield statement
        if chance < _CORRECTED_P and statement.sales is not None:
            later = datetime.combine(_correction_day(on), time(16), JST).astimezone(UTC)
            document, sales = f"{statement.document}-corrected", round(statement.sales * 1.01)
            yield replace(statement, document=document, kind="correction", disclosed_at=later, sales=sales)
        if statement.period == FULL_YEAR:
            yield _dividend(statement, year, statement.dividend, is_forecast=False)
            yield _dividend(statement, year + 1, statement.forecast_dividend, is_forecast=True)


def _statement(
    company: _Company, quarter: tuple[int, int], at: datetime, profits: Mapping[int, float], misses: Mapping[int, float]
) -> Statement:
    """Return a statement; `profits` are those of a share by fiscal year, `misses` by how much forecasts miss them."""
    year, number = quarter
    period, _, _, _, part = _QUARTERS[number]
    whole, is_whole = profits[year], period == FULL_YEAR
    eps = round(whole * part, 2)
    profit, ahead = round(eps * company.shares), year + 1 if is_whole else year
    forecast = round(profits[ahead] * (1 + misses[ahead]), 2)
    bps = round(whole * company.per / company.pbr, 2)
    return Statement(
        symbol=company.symbol, document=f"{year}-{period}", kind="statement", period=period,
        period_end=_end_of(year, number), year_end=date(year, 3, 31), disclosed_at=at,
        sales=round(profit / company.margin), operating_profit=round(profit * 1.5),
        ordinary_profit=round(profit * 1.45), net_profit=profit, eps=eps, bps=bps, equity=round(bps * company.shares),
        assets=round(bps * company.shares * 2), shares=company.shares,
        dividend=float(round(whole * _PAYOUT)) if is_whole else None,
        forecast_year_end=date(ahead, 3, 31), forecast_sales=round(forecast * company.shares / company.margin),
        forecast_operating_profit=round(forecast * company.shares * 1.5),
        forecast_net_profit=round(forecast * company.shares), forecast_eps=forecast,
        forecast_dividend=float(round(forecast * _PAYOUT)),
    )  # fmt: skip


def _dividend(statement: Statement, year: int, amount: float | None, *, is_forecast: bool) -> CompanyEvent:
    """Return the dividend of a fiscal year; who held a share at the close before the second last session gets it."""
    word = "forecast" if is_forecast else "decided"
    return CompanyEvent(
        symbol=statement.symbol, document=f"{CompanyEventKind.DIVIDEND}-{year}-{word}", kind=CompanyEventKind.DIVIDEND,
        subject=f"dividend-{year}", period="final", day=last_sessions(2, date(year, 3, 31))[0],
        disclosed_at=statement.disclosed_at, amount=amount, is_forecast=is_forecast,
    )  # fmt: skip
