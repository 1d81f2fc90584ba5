"""The tables of a report: metrics, costs, trades, conventions, and the facts for a repetition; pure."""

from collections.abc import Mapping
from html import escape
from typing import Any

import polars as pl

from kaboom.backtest import metrics
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.metrics import SESSIONS
from kaboom.backtest.model import FillModel
from kaboom.backtest.report.costs import describe_fees, describe_slippage
from kaboom.backtest.report.text import (
    DASH,
    both,
    metric,
    number,
    percent,
    say,
    section,
    sign_class,
    table,
    tell,
    title_metrics,
)
from kaboom.backtest.result import Result
from kaboom.backtest.summary import RunSummary, finite
from kaboom.market.calendar import JST
from kaboom.text.catalogue import gettext_noop, pair_of
from kaboom.text.language import Pair
from kaboom.text.tables import TITLES

#: How many of the last trades a report shows.
SHOWN_TRADES = 50
#: The conventions of every report; those of a fill model are added.
_CONVENTIONS = (
    gettext_noop("A bar is visible from its close; a decision is filled in the next bar at the earliest."),
    gettext_noop("Within a bar: exits before entries, stop-loss before take-profit; a gap fills at the open."),
    gettext_noop(
        "Bars are as traded. Splits change positions at the ex-date; strategies see prices adjusted by splits so far."
    ),
    gettext_noop("A year has 244 sessions. Sharpe and Sortino ratios are arithmetic, with a risk-free rate of 0."),
    gettext_noop("The benchmark has no costs and no lots; with several symbols each has the same weight at each bar."),
    gettext_noop("Noted dividends are paid into cash on the ex-date, before tax; the benchmark reinvests them."),
    gettext_noop("Returns are total returns as far as dividends are noted, else price returns."),
)
DISCLAIMER = gettext_noop(
    "This is a simulation with past data and guarantees no future result. Fees and slippage are as assumed above. "
    "Taxes are not considered, nor dividends that are not noted. It is no solicitation and no investment advice. "
    "Kaboom is not related to JPX or the Tokyo Stock Exchange."
)


def measure_benchmark(result: Result, benchmark: Floats) -> dict[str, float | None]:
    """Return the metrics of the benchmark, in yen at each bar, as those of a run; None where one is not finite."""
    closes = benchmark[result.panel.session_ends]
    returns = metrics.returns_of(closes, result.start)
    longest = float(metrics.longest_below_peak(returns))
    total = float(closes[-1]) / result.start - 1
    return finite({"total_return": total, **metrics.measure(returns), "longest_below_peak": longest})


def metric_section(summary: RunSummary, other: Mapping[str, float | None]) -> str:
    """Return the metrics of the strategy, beside those of the benchmark."""
    rows = []
    for name, title in title_metrics().items():
        cells = (metric(name, summary.metrics.get(name)), metric(name, other.get(name)))
        rows.append(f"<tr><th>{both(title)}</th>{''.join(f'<td class=num>{cell}</td>' for cell in cells)}</tr>")
    about = "; ".join(filter(None, (summary.benchmark.name, summary.benchmark.note)))
    named = f"{say('Benchmark')} <span>({escape(about)})</span>"
    return section(say("Metrics"), table([("", False), (say("Strategy"), True), (named, True)], rows), wide=False)


def cost_section(summary: RunSummary, result: Result) -> str:
    """Return the costs of trading, and how they were computed."""
    a_year = percent(fees_a_year(result), 2)
    rows = [
        f"<tr><th>{say('All fees')}</th><td class=num>{number(result.fees)}</td></tr>",
        f"<tr><th>{say('Fees a year, of the mean equity')}</th><td class=num>{a_year}</td></tr>",
        f"<tr><th>{say('Dividends, borrow costs and fractions')}</th><td class=num>{number(result.flows)}</td></tr>",
        f"<tr><th>{say('Turnover a year')}</th><td class=num>{number(summary.metrics.get('turnover'), 2)}</td></tr>",
    ]
    listed = "".join(f"<li>{both(text)}</li>" for text in describe(summary))
    return section(say("Costs"), table([("", False), ("", True)], rows), wide=False) + section(
        say("How it was computed"), f"<ul>{listed}</ul>"
    )


def fees_a_year(result: Result) -> float | None:
    """Return all fees as a share of the mean equity and a year."""
    mean, years = float(result.equity.mean()), max(result.returns.size, 1) / SESSIONS
    return result.fees / mean / years if mean > 0 else None


def describe(summary: RunSummary) -> list[Pair]:
    """Return how a run was computed: its fill model, its symbols, and the conventions of all reports."""
    model = FillModel.parse(summary.request.get("model", {}))
    return [*_describe_model(model), *_describe_symbols(summary), *map(tell, _CONVENTIONS)]


def count_trades(trades: pl.DataFrame) -> dict[str, Any]:
    """Return how many trades there are, won, lost and open, and the mean gain of those that are closed."""
    closed = trades.filter(pl.col("exit_bar").is_not_null())
    won = closed.filter(pl.col("pnl") > 0).height
    counts = {"count": trades.height, "won": won, "lost": closed.height - won, "open": trades.height - closed.height}
    return counts | {"mean_gain": closed["gain"].mean()}


def trade_section(result: Result) -> str:
    """Return the last trades."""
    trades = result.trades
    if trades.is_empty():
        return section(say("Trades"), f"<p>{say('No trade was made.')}</p>")
    shown = trades.tail(SHOWN_TRADES).reverse()
    head = _trade_head()
    rows = [_trade(row, is_intraday=result.panel.interval.is_intraday) for row in shown.iter_rows(named=True)]
    return section(
        say("Trades"),
        table(head, rows),
        sub=say(
            "the last {shown} of {count}: {won} won, {lost} lost, {open} open",
            shown=shown.height,
            **count_trades(trades),
        ),
    )


def repeat_section(summary: RunSummary) -> str:
    """Return the facts that a repetition needs."""
    parameters = " ".join(f"{name}={value}" for name, value in summary.parameters.items())
    values = {
        say("parameters"): parameters,
        say("source of the bars"): summary.provider,
        say("fingerprint of the bars"): summary.fingerprint,
        say("bars as of"): summary.request.get("as_of", DASH),
        say("code"): summary.code_version,
        say("seed"): str(summary.seed),
        say("digest of the result"): summary.digest,
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in values.items())
    return section(say("To repeat it"), f"<dl>{listed}</dl>")


def _trade_head() -> list[tuple[str, bool]]:
    texts = (say("Symbol"), say("Entry"), say("Exit"))
    numbers = (say("Shares"), say("At, yen"), say("Exit at, yen"), say("Fees, yen"), say("Profit, yen"), say("Return"))
    return [*((text, False) for text in texts), *((text, True) for text in numbers), (say("Reason"), False)]


def _trade(row: dict[str, Any], *, is_intraday: bool) -> str:
    form = "%Y-%m-%d %H:%M" if is_intraday else "%Y-%m-%d"
    times = [_local(row[name], form) if row[name] else DASH for name in ("entry_at", "exit_at")]
    cells = [
        f"<td>{escape(row['symbol'])}</td><td>{times[0]}</td><td>{times[1]}</td>",
        f"<td class=num>{number(row['side'] * row['shares'])}</td>",
        *(f"<td class=num>{number(row[name], 1)}</td>" for name in ("entry_price", "exit_price")),
        f"<td class=num>{number(row['fees'])}</td>",
        f'<td class="{sign_class(row["pnl"])}">{number(row["pnl"])}</td>',
        f'<td class="{sign_class(row["gain"])}">{percent(row["gain"])}</td>',
        f"<td>{both(_reason(row['exit_reason'] or ''))}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _local(at: Any, form: str) -> str:
    return str(at.astimezone(JST).strftime(form))


def _describe_model(model: FillModel) -> list[Pair]:
    if model.volume_cap:
        cap = f"{model.volume_cap:.0%}"
        found = [tell("Lots of {lot}; at most {cap} of a bar's volume is filled.", lot=model.lot, cap=cap)]
    else:
        found = [tell("Lots of {lot}; any volume is filled.", lot=model.lot)]
    found += [describe_fees(model.fees), describe_slippage(model.slippage)]
    if model.has_limits:
        found.append(tell("Nothing is filled at a locked daily price limit."))
    if model.allows_short:
        found.append(tell("Short positions cost {rate} a year.", rate=f"{model.borrow_rate:.2%}"))
    else:
        found.append(tell("Short positions are not allowed: a sale closes what is held at most."))
    return found


def _describe_symbols(summary: RunSummary) -> list[Pair]:
    counts = {"delisted": summary.delisted, "missing": summary.missing}
    if not summary.listed_on:
        text = gettext_noop(
            "The caller chose the symbols ({symbols}), with their survivorship bias; delisted since: {delisted}, "
            "without bars: {missing}."
        )
        return [tell(text, symbols=summary.symbols, **counts)]
    days, oldest = ", ".join(day.isoformat() for day in summary.listed_on), min(summary.listed_on)
    text = gettext_noop(
        "Symbols are those of the lists of {days}; delisted since: {delisted}, without bars: {missing}."
    )
    late = gettext_noop(
        "No list of the first day is held: symbols that left before {day} are missing, which is survivorship bias."
    )
    found = [tell(text, days=days, **counts)]
    return [*found, tell(late, day=oldest.isoformat())] if oldest > summary.first else found


def _reason(code: str) -> Pair:
    return pair_of(TITLES["exit"].get(code, code), f"exit {code}")
