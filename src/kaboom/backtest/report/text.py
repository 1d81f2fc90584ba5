"""Text of a report: both languages side by side, of which one is shown, and numbers."""

import math
from collections.abc import Mapping
from html import escape

from kaboom.backtest.summary import RunSummary
from kaboom.text.catalogue import gettext, pair_of
from kaboom.text.language import Pair
from kaboom.text.tables import METRICS

MINUS = "\u2212"
#: Shown if there is no number.
DASH = "\u2013"
_PERCENT = frozenset({"total_return", "cagr", "volatility", "max_drawdown", "hit_rate", "exposure", "benchmark_return"})
_WHOLE = frozenset({"final_equity", "trades", "fees", "flows", "longest_below_peak"})


def both(pair: Pair) -> str:
    """Return a text in both languages as HTML; the page shows one."""
    english, japanese = map(escape, pair)
    return f'<span class="en">{english}</span><span class="ja" lang="ja">{japanese}</span>'


def tell(text: str, /, **values: object) -> Pair:
    """Return a text with its fields filled in both languages, as a pair."""
    return text.format(**values), gettext(text, "ja").format(**values)


def say(text: str, /, **values: object) -> str:
    """Return a text with its fields filled in both languages."""
    return both(tell(text, **values))


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with separators; a dash if there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{abs(value):,.{digits}f}"
    return f"{MINUS}{text}" if value < 0 and float(text.replace(",", "")) != 0 else text


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as percent; a dash if there is none."""
    return DASH if value is None or not math.isfinite(value) else f"{number(value * 100, digits)}%"


def metric(name: str, value: float | None) -> str:
    """Return a metric of a run by its name; a dash if there is none."""
    return percent(value) if name in _PERCENT else number(value, 0 if name in _WHOLE else 2)


def sign_class(value: float | None) -> str:
    """Return the class by which a gain is red and a loss blue, as in Japan."""
    if value is None or not math.isfinite(value) or value == 0:
        return "num"
    return "num up" if value > 0 else "num down"


def section(title: str, body: str, *, sub: str = "", wide: bool = True) -> str:
    """Return a part of the page below a title."""
    note = f'<span class="sub">{sub}</span>' if sub else ""
    return f'<section class="{"w2" if wide else "w1"}"><h2>{title}</h2>{note}{body}</section>'


def table(head: list[tuple[str, bool]], rows: list[str]) -> str:
    """Return a table; of each head, the text and whether its column has numbers."""
    cells = "".join(f"<th{' class=num' if is_number else ''}>{text}</th>" for text, is_number in head)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def warn(summary: RunSummary) -> list[Pair]:
    """Return what a reader must know before the numbers."""
    found = list[Pair]()
    if not summary.is_real:
        found.append(tell("Made with generated bars: it says how the strategy behaves, nothing about the market."))
    if summary.is_ruined:
        found.append(tell("Short positions lost more than there was: the run ended there."))
    return [*found, tell("In sample: no part of the bars was held back from the choice of parameters.")]


def title_metrics() -> Mapping[str, Pair]:
    """Return the titles of the metrics by their names."""
    titles = {name: pair_of(title, f"metric {name}") for name, title in METRICS.items()}
    return {name: (english[:1].upper() + english[1:], japanese) for name, (english, japanese) in titles.items()}
