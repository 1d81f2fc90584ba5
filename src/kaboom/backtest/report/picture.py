"""A report as a picture: the same panels, for matplotlib; importable without it."""

from collections.abc import Sequence
from datetime import datetime

from kaboom.backtest.report.content import Numbers, ReportCandlesticks, ReportContent
from kaboom.backtest.report.text import DASH, list_parameters, metric, number, tell, title_metrics, warn
from kaboom.market.calendar import JST
from kaboom.pictures.model import (
    MOST_VALUES,
    Candlesticks,
    Curves,
    Heat,
    Mark,
    Notes,
    Panel,
    Picture,
    Series,
    Table,
    Text,
    Values,
)
from kaboom.text.catalogue import Pair, gettext

_MOST_YEARS = 40
#: The most letters of a line of notes, in English and in Japanese, whose letters are wider.
_LINE_LETTERS = (190, 86)


def picture_of(content: ReportContent) -> Picture:
    """Return a report as a picture."""
    summary = content.summary
    named = ", ".join(summary.request.get("symbols") or [str(summary.request.get("market"))])[:60]
    parameters = list_parameters(summary.strategy, summary.parameters)
    span = f"{summary.interval}, {summary.first} {DASH} {summary.last}, {summary.provider}, {parameters}"
    title = f"{summary.strategy} · {named}"
    candles = [_candlesticks(content.candles)] if content.candles else []
    panels = (*_curves(content), _months(content), *candles, _metrics(content), _notes(content))
    return Picture(title=(title, title), sub=(span, span), panels=panels)


def _curves(content: ReportContent) -> list[Panel]:
    curves = content.curves
    times = tuple(day.isoformat() for day in curves.days[-MOST_VALUES:])
    millions = [
        Series(name=tell("Strategy"), values=_scaled(curves.equity, 1e-6)),
        Series(name=tell("Benchmark"), values=_scaled(curves.benchmark, 1e-6), style=1),
    ]
    title = _titled(tell("Equity"), tell("million yen; thin line: benchmark"))
    found: list[Panel] = [Curves(title=title, times=times, lines=tuple(millions), height=3.2)]
    rolling = tell("of the last {sessions} sessions, a year", sessions=curves.rolling_sessions)
    for name, sub, values, factor in (
        (tell("Drawdown"), tell("distance from the highest equity so far, %"), curves.drawdown, 100),
        (tell("Exposure"), tell("value of all positions as a share of equity, %"), curves.exposure, 100),
        (tell("Rolling Sharpe ratio"), rolling, curves.rolling_sharpe, 1),
        (tell("Rolling volatility"), rolling, curves.rolling_volatility, 100),
    ):
        line = Series(name=name, values=_scaled(values, factor))
        is_area = sub is not rolling
        found.append(Curves(title=_titled(name, sub), times=times, lines=(line,), is_area=is_area, height=1.3))
    return found


def _months(content: ReportContent) -> Heat:
    rows = tuple((str(each.year), (*each.months, each.total)) for each in content.years[:_MOST_YEARS])
    months = [(str(month), gettext("{month}", "ja", "month").format(month=month)) for month in range(1, 13)]
    title = _titled(tell("Monthly returns"), tell("%, of the strategy"))
    return Heat(title=title, columns=(*months, tell("Total")), rows=rows)


def _candlesticks(traded: ReportCandlesticks) -> Candlesticks:
    # A bar without a trade has no candle; places of marks follow.
    known = [place for place, bar in enumerate(traded.bars) if bar is not None]
    places = {place: n for n, place in enumerate(known)}
    marks = [Mark(place=places[place], side=1 if side > 0 else -1) for place, side in traded.fills if place in places]
    return Candlesticks(
        title=_titled(
            tell("Trades on the candles"),
            tell("{symbol}, the last {bars} bars as traded; ▲ bought, ▼ sold", symbol=traded.symbol, bars=len(known)),
        ),
        times=tuple(_local(traded.times[place]) for place in known),
        bars=tuple(bar for bar in traded.bars if bar is not None),
        marks=tuple(marks),
        height=3.4,
    )


def _metrics(content: ReportContent) -> Table:
    summary = content.summary
    rows = [
        (
            title,
            _same(metric(name, summary.metrics.get(name))),
            _same(metric(name, content.benchmark_metrics.get(name))),
        )
        for name, title in title_metrics().items()
    ]
    costs = (
        (tell("All fees"), content.costs.fees),
        (tell("Dividends, borrow costs and fractions"), content.costs.flows),
        (tell("Taxes"), content.costs.taxes),
    )
    rows += [(title, _same(number(value)), _same(DASH)) for title, value in costs]
    head = (tell("Metrics"), tell("Strategy"), _with(tell("Benchmark"), f" ({summary.benchmark.name})"))
    return Table(title=tell("Metrics"), head=head, rows=tuple(rows))


def _notes(content: ReportContent) -> Notes:
    said = [*warn(content.summary)]
    said += [(each.en, each.ja) for each in (*content.conventions, content.disclaimer)]
    english = [line for text, _ in said for line in _cut(text, _LINE_LETTERS[0])]
    japanese = [line for _, text in said for line in _cut(text, _LINE_LETTERS[1])]
    size = max(len(english), len(japanese))
    filled = [[*lines, *[""] * (size - len(lines))] for lines in (english, japanese)]
    return Notes(title=tell("How it was computed"), lines=tuple(zip(*filled, strict=True))[:40])


def _cut(text: str, most: int) -> list[str]:
    """Cut a text into lines, between words if it has several."""
    lines = []
    while len(text) > most:
        place = text.rfind(" ", most // 2, most) + 1 or most
        lines.append(text[:place].rstrip())
        text = text[place:]
    return [*lines, text]


def _titled(title: Text, sub: Text) -> Text:
    """Return the title of a panel with its subtitle in the page."""
    return f"{title[0]} – {sub[0]}", f"{title[1]} – {sub[1]}"  # noqa: RUF001


def _scaled(values: Numbers | Sequence[float], factor: float) -> Values:
    return tuple(None if value is None else value * factor for value in values[-MOST_VALUES:])


def _local(instant: str) -> str:
    at = datetime.fromisoformat(instant).astimezone(JST)
    return at.strftime("%Y-%m-%d" if instant.endswith("T00:00:00Z") else "%m-%d %H:%M")


def _same(text: str) -> Pair:
    return text, text


def _with(text: Pair, more: str) -> Pair:
    return text[0] + more, text[1] + more
