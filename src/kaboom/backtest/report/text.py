"""Text of reports: in one language for a page, in both for the HTML file, which shows one of them; and numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from kaboom.backtest.strategies.parameters import in_order
from kaboom.backtest.summary import RunSummary
from kaboom.market.calendar import JST
from kaboom.text.catalogue import Language, Pair, gettext, pair_of
from kaboom.text.tables import METRICS

MINUS = "\u2212"
#: Shown if there is no number.
DASH = "\u2013"
_PERCENT = frozenset(
    {
        "total_return",
        "cagr",
        "volatility",
        "max_drawdown",
        "hit_rate",
        "exposure",
        "benchmark_return",
        "alpha",
        "tracking_error",
        "up_capture",
        "down_capture",
    }
)
#: The monthly returns from which a cell has the next stronger tint; for years three times as much.
_TINTS = (0.0005, 0.015, 0.035)
#: Parameters that most strategies have, and that titles leave out.
_SETTINGS = frozenset({"weight", "side", "stop_loss", "take_profit"})
_WHOLE = frozenset({"final_equity", "trades", "fees", "flows", "taxes", "longest_below_peak"})


@dataclass(frozen=True, slots=True)
class Words:
    """The languages of a chart: one on a page, both in the HTML file."""

    languages: tuple[Language, ...]

    def say(self, text: str, /, **values: object) -> str:
        """Return a text with its fields filled, as markup of SVG."""
        found = [(each, escape(gettext(text, each).format(**values))) for each in self.languages]
        if len(found) == 1:
            return found[0][1]
        return "".join(f'<tspan class="{language}" lang="{language}">{said}</tspan>' for language, said in found)

    def tell(self, text: str, /, **values: object) -> str:
        """Return a text with its fields filled, as it is."""
        return " / ".join(gettext(text, each).format(**values) for each in self.languages)


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


def signed_percent(value: float | None) -> str:
    """Return a share as percent with its sign; a dash if it is unknown."""
    return DASH if value is None else f"{_minus(f'{100 * value:+,.1f}')}%"


def signed(value: float | None, digits: int = 0) -> str:
    """Return a number with its sign; a dash if it is unknown."""
    return DASH if value is None else _minus(f"{value:+,.{digits}f}")


def month(value: float | None) -> str:
    """Return the return of a month in percent, without the percent sign; "" without a return."""
    return "" if value is None else "0.0" if abs(value) < 0.0005 else _minus(f"{100 * value:+.1f}")


def tint(value: float | None, *, is_year: bool = False) -> str:
    """Return the class of a cell of the heat map: u1 to u3, d1 to d3, or "" around 0."""
    if value is None:
        return ""
    level = sum(abs(value) / (3 if is_year else 1) >= least for least in _TINTS)
    return f"{'u' if value > 0 else 'd'}{level}" if level else ""


def way(value: float | None) -> str:
    """Return the class of a gain's colour: `up`, `down`, or "" for neither."""
    return "" if not value else "up" if value > 0 else "down"


def local(at: str | None) -> str:
    """Return the time of a bar in Japan; for daily bars, the day."""
    if at is None:
        return DASH
    return datetime.fromisoformat(at).astimezone(JST).strftime("%Y-%m-%d" if "T00:00:00" in at else "%Y-%m-%d %H:%M")


def short_parameters(strategy: str, parameters: Mapping[str, Any]) -> str:
    """Return the parameters of a strategy for a title, such as `20/50`."""
    ordered = in_order(strategy, parameters).items()
    return "/".join(shown(value) for name, value in ordered if name not in _SETTINGS and value is not None)


def list_parameters(strategy: str, parameters: Mapping[str, Any]) -> str:
    """Return parameters with their names; those that are not set are left out."""
    return " ".join(
        f"{name}={shown(value)}" for name, value in in_order(strategy, parameters).items() if value is not None
    )


def shown(value: Any) -> str:
    """Return a value of a parameter or of a request as text."""
    if isinstance(value, list):
        return ", ".join(shown(each) for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return DASH if value is None else f"{value:g}" if isinstance(value, float) else str(value)


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


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
