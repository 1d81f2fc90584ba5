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
from kaboom.backtest.report.text import DASH, both, metric, number, percent, say, section, sign_class, table, tell
from kaboom.backtest.report.words import CONVENTIONS, METRICS, REASONS
from kaboom.backtest.result import Result
from kaboom.backtest.summary import RunSummary, finite
from kaboom.market.calendar import JST
from kaboom.text.language import Pair

#: How many of the last trades a report shows.
SHOWN_TRADES = 50


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
    for name, title in METRICS.items():
        cells = (metric(name, summary.metrics.get(name)), metric(name, other.get(name)))
        rows.append(f"<tr><th>{both(title)}</th>{''.join(f'<td class=num>{cell}</td>' for cell in cells)}</tr>")
    about = "; ".join(filter(None, (summary.benchmark.name, summary.benchmark.note)))
    named = f"{say('benchmark')} <span>({escape(about)})</span>"
    return section(say("metrics"), table([("", False), (say("strategy"), True), (named, True)], rows), wide=False)


def cost_section(summary: RunSummary, result: Result) -> str:
    """Return the costs of trading, and how they were computed."""
    rows = [
        f"<tr><th>{say('all_fees')}</th><td class=num>{number(result.fees)}</td></tr>",
        f"<tr><th>{say('fees_a_year')}</th><td class=num>{percent(fees_a_year(result), 2)}</td></tr>",
        f"<tr><th>{say('all_flows')}</th><td class=num>{number(result.flows)}</td></tr>",
        f"<tr><th>{say('turnover')}</th><td class=num>{number(summary.metrics.get('turnover'), 2)}</td></tr>",
    ]
    listed = "".join(f"<li>{both(text)}</li>" for text in describe(summary))
    return section(say("costs"), table([("", False), ("", True)], rows), wide=False) + section(
        say("conventions"), f"<ul>{listed}</ul>"
    )


def fees_a_year(result: Result) -> float | None:
    """Return all fees as a share of the mean equity and a year."""
    mean, years = float(result.equity.mean()), max(result.returns.size, 1) / SESSIONS
    return result.fees / mean / years if mean > 0 else None


def describe(summary: RunSummary) -> list[Pair]:
    """Return how a run was computed: its fill model, its symbols, and the conventions of all reports."""
    model = FillModel.parse(summary.request.get("model", {}))
    return [*_describe_model(model), *_describe_symbols(summary), *CONVENTIONS]


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
        return section(say("trades"), f"<p>{say('no_trades')}</p>")
    shown = trades.tail(SHOWN_TRADES).reverse()
    head = [(say(name), name not in {"symbol", "entry", "exit", "reason"}) for name in _COLUMNS]
    rows = [_trade(row, is_intraday=result.panel.interval.is_intraday) for row in shown.iter_rows(named=True)]
    return section(say("trades"), table(head, rows), sub=say("trades_sub", shown=shown.height, **count_trades(trades)))


def repeat_section(summary: RunSummary) -> str:
    """Return the facts that a repetition needs."""
    parameters = " ".join(f"{name}={value}" for name, value in summary.parameters.items())
    values = {
        "parameters": parameters,
        "source": summary.provider,
        "fingerprint": summary.fingerprint,
        "as_of": summary.request.get("as_of", DASH),
        "code_version": summary.code_version,
        "seed": str(summary.seed),
        "digest": summary.digest,
    }
    listed = "".join(f"<dt>{say(name)}</dt><dd>{escape(value)}</dd>" for name, value in values.items())
    return section(say("repeat"), f"<dl>{listed}</dl>")


_COLUMNS = (
    "symbol", "entry", "exit", "shares", "entry_price", "exit_price", "fees", "pnl", "gain", "reason",
)  # fmt: skip


def _trade(row: dict[str, Any], *, is_intraday: bool) -> str:
    form = "%Y-%m-%d %H:%M" if is_intraday else "%Y-%m-%d"
    times = [_local(row[name], form) if row[name] else DASH for name in ("entry_at", "exit_at")]
    reason = row["exit_reason"] or ""
    cells = [
        f"<td>{escape(row['symbol'])}</td><td>{times[0]}</td><td>{times[1]}</td>",
        f"<td class=num>{number(row['side'] * row['shares'])}</td>",
        *(f"<td class=num>{number(row[name], 1)}</td>" for name in ("entry_price", "exit_price")),
        f"<td class=num>{number(row['fees'])}</td>",
        f'<td class="{sign_class(row["pnl"])}">{number(row["pnl"])}</td>',
        f'<td class="{sign_class(row["gain"])}">{percent(row["gain"])}</td>',
        f"<td>{both(REASONS.get(reason, (reason, reason)))}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _local(at: Any, form: str) -> str:
    return str(at.astimezone(JST).strftime(form))


def _describe_model(model: FillModel) -> list[Pair]:
    found = [
        tell("lots", lot=model.lot, cap=f"{model.volume_cap:.0%}")
        if model.volume_cap
        else tell("no_cap", lot=model.lot),
        describe_fees(model.fees),
        describe_slippage(model.slippage),
    ]
    found += [tell("limits")] if model.has_limits else []
    shorts = tell("shorts", rate=f"{model.borrow_rate:.2%}") if model.allows_short else tell("no_shorts")
    return [*found, shorts]


def _describe_symbols(summary: RunSummary) -> list[Pair]:
    counts = {"delisted": summary.delisted, "missing": summary.missing}
    if not summary.listed_on:
        return [tell("chosen", symbols=summary.symbols, **counts)]
    days = ", ".join(day.isoformat() for day in summary.listed_on)
    oldest = min(summary.listed_on)
    late = [tell("late_list", day=oldest.isoformat())] if oldest > summary.first else []
    return [tell("listed", days=days, **counts), *late]
