"""Candlesticks of one symbol with volume and indicators, as a picture for reports, messages and vision models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kaboom.market.calendar import JST
from kaboom.market.interval import Interval
from kaboom.pictures.model import MOST_BARS, Candlesticks, Curves, Language, Picture, Series, UpDown, Values
from kaboom.pictures.png import draw

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class CandlestickStyle:
    """How candles are drawn.

    Attributes:
        title: such as the symbol and its name; Japanese characters are left out if no font has them.
        sub: the subtitle.
        language: the language of all labels; English if no font has Japanese characters.
        updown: the colours of a rise and a fall: `jp` red and blue, `intl` green and red, `mono` grey.
        most_bars: how many of the last bars are drawn, 500 at most.

    """

    title: str = ""
    sub: str = ""
    language: Language = "en"
    updown: UpDown = "jp"
    most_bars: int = 160


#: Indicators by name, each with a number for every bar; None or NaN if there is no value.
type Lines = Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Indicators:
    """Indicators drawn over the candles, and indicators in panels below, by the title of the panel."""

    over: Lines = field(default_factory=dict)
    below: Mapping[str, Lines] = field(default_factory=dict)


def draw_candlesticks(
    bars: "pl.DataFrame",
    *,
    interval: Interval = Interval.D1,
    indicators: Indicators | None = None,
    style: CandlestickStyle | None = None,
) -> bytes:
    """Return bars of one symbol as PNG, 1,200 pixels wide: candles, volume, and indicators.

    Arguments are those of `picture_of_bars`. Equal arguments give equal bytes. It takes tenths of a second: call it in
    a thread.

    Raises:
        ConfigurationError: matplotlib is not installed.
        ValueError: there is no bar, or an indicator has another number of values.

    """
    chosen = style or CandlestickStyle()
    picture = picture_of_bars(bars, interval=interval, indicators=indicators, style=chosen)
    return draw(picture, language=chosen.language)


def picture_of_bars(
    bars: "pl.DataFrame",
    *,
    interval: Interval = Interval.D1,
    indicators: Indicators | None = None,
    style: CandlestickStyle | None = None,
) -> Picture:
    """Return a picture of bars of one symbol, to be drawn in either language.

    `bars` has the columns `opened_at` (UTC), `open`, `high`, `low`, `close` and `volume`, oldest first; indicators have
    a value for each of its rows.

    Raises:
        ValueError: there is no bar, or an indicator has another number of values.

    """
    chosen, shown = style or CandlestickStyle(), indicators or Indicators()
    first = max(0, bars.height - max(1, min(chosen.most_bars, MOST_BARS)))
    times = _times(bars, interval)[first:]
    rows = bars[first:]
    prices = rows.select("open", "high", "low", "close").rows()
    panels: list[Candlesticks | Curves] = [
        Candlesticks(
            times=times,
            bars=tuple((float(o), float(h), float(low), float(c)) for o, h, low, c in prices),
            volumes=tuple(float(volume or 0) for volume in rows["volume"]),
            lines=_series(shown.over, bars.height, first),
        )
    ]
    panels += [
        Curves(title=(title, title), times=times, lines=_series(lines, bars.height, first))
        for title, lines in shown.below.items()
    ]
    return Picture(
        title=(chosen.title, chosen.title),
        sub=(chosen.sub, chosen.sub),
        panels=tuple(panels),
        updown=chosen.updown,
    )


def _times(bars: "pl.DataFrame", interval: Interval) -> tuple[str, ...]:
    form = "%Y-%m-%d %H:%M" if interval.is_intraday else "%Y-%m-%d"
    return tuple(at.astimezone(JST).strftime(form) for at in bars["opened_at"])


def _series(lines: Lines, size: int, first: int) -> tuple[Series, ...]:
    found = []
    for place, (name, values) in enumerate(lines.items()):
        if len(values) != size:
            raise ValueError(f"{name} had {len(values)} values, expected one for each of {size} bars")
        found.append(Series(name=(name, name), values=_known(values[first:]), style=place))
    return tuple(found)


def _known(values: Sequence[float | None]) -> Values:
    return tuple(None if value is None or math.isnan(value) else float(value) for value in values)
