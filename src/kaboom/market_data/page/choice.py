"""What the page of a symbol shows: its query, the ranges of each interval, and the indicators to switch on."""

import calendar
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from urllib.parse import quote as quoted

from pydantic import BaseModel, Field

from kaboom.dashboard.links import link_to
from kaboom.indicators.table import Indicator, parse_indicators
from kaboom.market.calendar import last_sessions
from kaboom.market_data.queries import ChartInterval
from kaboom.providers.registry import SourceName

MOST_COMPARED = 4


class Span(StrEnum):
    """How far back a chart goes."""

    D1 = "1D"
    D5 = "5D"
    M1 = "1M"
    M3 = "3M"
    M6 = "6M"
    Y1 = "1Y"
    Y5 = "5Y"


_SESSIONS = {Span.D1: 1, Span.D5: 5}
_MONTHS = {Span.M1: 1, Span.M3: 3, Span.M6: 6, Span.Y1: 12, Span.Y5: 60}
#: The ranges of each interval, the default first: none has more than about 1,800 bars.
SPANS: Mapping[ChartInterval, Sequence[Span]] = {
    ChartInterval.M1: (Span.D1, Span.D5),
    ChartInterval.M5: (Span.D1, Span.D5, Span.M1),
    ChartInterval.M15: (Span.D1, Span.D5, Span.M1, Span.M3),
    ChartInterval.H1: (Span.D1, Span.D5, Span.M1, Span.M3, Span.M6, Span.Y1),
    ChartInterval.D1: (Span.Y1, Span.M1, Span.M3, Span.M6, Span.Y5),
    ChartInterval.W1: (Span.Y5, Span.M6, Span.Y1),
}
#: The interval of a range that the current interval does not have.
_INTERVALS = {Span.D1: ChartInterval.M1, Span.D5: ChartInterval.M5}


@dataclass(frozen=True, slots=True)
class Study:
    """An indicator to switch on: where it is drawn (`price`, `volume` or a pane of its own), and its guide lines."""

    code: str
    pane: str
    texts: Sequence[str] = ()
    weekly: Sequence[str] = ()
    guides: Sequence[float] = ()
    is_intraday: bool = False


_PRICE, _VOLUME = "price", "volume"
STUDIES: Mapping[str, Study] = {
    each.code: each
    for each in (
        Study("sma", _PRICE, ("sma:5", "sma:25", "sma:75"), weekly=("sma:13", "sma:26", "sma:52")),
        Study("vma", _VOLUME),
        Study("bbands", _PRICE, ("bbands:20,2",)),
        Study("rsi", "rsi", ("rsi:14",), guides=(30, 70)),
        Study("macd", "macd", ("macd:12,26,9",), guides=(0,)),
        Study("ema", _PRICE, ("ema:25",)),
        Study("wma", _PRICE, ("wma:25",)),
        Study("vwap", _PRICE, ("vwap",), is_intraday=True),
        Study("stoch", "stoch", ("stoch:5,3,3",), guides=(20, 80)),
        Study("adx", "adx", ("adx:14",)),
        Study("atr", "atr", ("atr:14",)),
        Study("cci", "cci", ("cci:20",), guides=(-100, 100)),
        Study("roc", "roc", ("roc:10",), guides=(0,)),
        Study("mfi", "mfi", ("mfi:14",), guides=(20, 80)),
        Study("obv", "obv", ("obv",)),
    )
}
#: Those that have a switch of their own; the others are below "More".
FIRST_STUDIES = ("sma", "vma", "bbands", "rsi", "macd")
_SHOWN_AT_FIRST = ("sma", "vma")
#: No indicator, in an address and in the cookie.
NONE_SHOWN = "none"
_COLOURS = {"sma": 1, "vma": 2, "bbands": 4, "ema": 5, "wma": 6, "vwap": 5}
_OUTPUT_COLOURS = {"signal": 2, "d": 2, "plus_di": 3, "minus_di": 4}


class SymbolFilters(BaseModel):
    """The query of the page; unknown fields are ignored, so that old links still open."""

    interval: ChartInterval = ChartInterval.M1
    session: date | None = None
    provider: SourceName | None = None
    adjusted: bool = False
    span: Span | None = None
    show: str | None = Field(default=None, max_length=200, description="indicators, such as `sma.rsi`")
    compare: str = Field(default="", max_length=200, description="up to four symbols, with commas between")
    keep: bool = Field(default=False, description="remember the indicators for other symbols")

    def link(self, symbol: str, /, page: str = "", **changed: object) -> str:
        """Return the link of the page of a symbol, or of one below it, with some filters changed."""
        values = self.model_dump(mode="json", exclude_defaults=True, exclude={"keep"}) | changed
        return link_to(f"/symbols/{quoted(symbol, safe='')}{page}", **values)

    @property
    def range(self) -> Span:
        """The range to show: the default of the interval, if it does not have the one that was asked for."""
        allowed = SPANS[self.interval]
        return self.span if self.span and self.span in allowed else allowed[0]

    def at_interval(self, interval: ChartInterval) -> dict[str, object]:
        """Return the fields of a link to another interval: with the same range, if it has that."""
        return {"interval": interval.value, "span": _span_of(interval, self.range)}

    def at_span(self, span: Span) -> dict[str, object]:
        """Return the fields of a link to another range: with the same interval, if that has it."""
        has_it = span in SPANS[self.interval]
        interval = self.interval if has_it else _INTERVALS.get(span, ChartInterval.D1)
        return {"interval": interval.value, "span": _span_of(interval, span)}

    def compared(self, symbol: str) -> list[str]:
        """Return the symbols to compare with one, at most four."""
        found = [part.strip().upper() for part in self.compare.replace("、", ",").replace(" ", ",").split(",")]
        return [each for each in dict.fromkeys(found) if each and each != symbol][:MOST_COMPARED]

    def with_compared(self, symbol: str, without: str) -> str:
        """Return the symbols to compare with one as the address has them, without one of them."""
        return ",".join(each for each in self.compared(symbol) if each != without)


def _span_of(interval: ChartInterval, span: Span) -> str:
    """Return the range as the address has it; "" for the default of an interval, or one that it does not have."""
    return span.value if span in SPANS[interval][1:] else ""


def first_day(span: Span, session: date, *, is_tse: bool) -> date:
    """Return the first day of a range that ends with a session."""
    if span in _SESSIONS:
        count = _SESSIONS[span]
        # Files have no calendar.
        return last_sessions(count, session)[0] if is_tse and count > 1 else session - timedelta(days=count - 1)
    month = session.year * 12 + session.month - 1 - _MONTHS[span]
    year, month = max(1, month // 12), month % 12 + 1
    return date(year, month, min(session.day, calendar.monthrange(year, month)[1]))


def studies_of(text: str | None, kept: str) -> tuple[str, ...]:
    """Return the codes of an address, else those of the cookie, else the default, in their order of the menu."""
    given = text or kept
    if not given:
        return _SHOWN_AT_FIRST
    found = set(given.split("."))
    return tuple(code for code in STUDIES if code in found)


def toggled(shown: Sequence[str], code: str) -> str:
    """Return the codes as an address has them, with one switched on or off."""
    found = set(shown) ^ {code}
    return ".".join(each for each in STUDIES if each in found) or NONE_SHOWN


@dataclass(frozen=True, slots=True)
class Line:
    """A line to draw: the column of its values, the pane, the label with its parameters, and the colour's number."""

    column: str
    study: Study
    output: str
    parameters: str
    colour: int

    @property
    def key(self) -> str:
        """The code of its label."""
        return f"{self.study.code}_{self.output}" if self.output else self.study.code

    @property
    def style(self) -> str:
        """How it is drawn: `line`, `dashed` or `histogram`."""
        if self.output == "histogram":
            return "histogram"
        return "dashed" if self.output in {"upper", "lower"} or self.study.code == "vwap" else "line"


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a chart asks the API for: the indicators and the average of the volume, and the lines made of them."""

    indicators: tuple[Indicator, ...]
    volume_average: int | None
    lines: tuple[Line, ...]

    @property
    def query(self) -> dict[str, object]:
        """The fields of the query of the API."""
        return {"indicator": [each.text for each in self.indicators], "volume_average": self.volume_average}


def drawing_of(shown: Sequence[str], interval: ChartInterval, *, is_compared: bool) -> Drawing:
    """Return what to draw; prices of compared symbols are indexed, so indicators in yen are left out."""
    is_weekly = interval is ChartInterval.W1
    studies = [
        STUDIES[code]
        for code in shown
        if (interval.stored.is_intraday or not STUDIES[code].is_intraday)
        and not (is_compared and STUDIES[code].pane == _PRICE)
    ]
    average = (13 if is_weekly else 25) if "vma" in shown else None
    indicators, lines = list[Indicator](), list[Line]()
    for study in studies:
        texts = study.weekly if is_weekly and study.weekly else study.texts
        found = parse_indicators(texts, interval.stored) if texts else ()
        indicators += found
        lines += [line for n, each in enumerate(found) for line in _lines_of(study, each, n)]
        if study.code == "vma":
            lines.append(Line(f"volume_sma_{average}", study, "", str(average), _COLOURS["vma"]))
    return Drawing(tuple(indicators), average, tuple(lines))


def _lines_of(study: Study, indicator: Indicator, n: int) -> Iterator[Line]:
    parameters = indicator.text.partition(":")[2]
    for column, output in zip(indicator.columns, indicator.spec.outputs, strict=True):
        colour = _COLOURS.get(study.code, 1) + n if study.pane == _PRICE else _OUTPUT_COLOURS.get(output, 1)
        yield Line(column, study, output, parameters, colour)
