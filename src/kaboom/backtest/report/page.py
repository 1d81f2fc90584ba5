"""The page of a report."""

from html import escape

from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.report.charts import Line, line_chart
from kaboom.backtest.report.months import month_section
from kaboom.backtest.report.rolling import rolling_of
from kaboom.backtest.report.style import STYLE
from kaboom.backtest.report.tables import cost_section, measure_benchmark, metric_section, repeat_section, trade_section
from kaboom.backtest.report.text import DASH, both, say, section
from kaboom.backtest.report.traded_bars import traded_section
from kaboom.backtest.report.words import DISCLAIMER
from kaboom.backtest.result import Result
from kaboom.backtest.summary import RunSummary

#: The page may load nothing, so it looks the same wherever it is opened.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def build_report(summary: RunSummary, result: Result, benchmark: Floats) -> bytes:
    """Return the report as one HTML file, with the benchmark in yen at each bar; equal runs give equal bytes."""
    sections = [
        _equity(result, benchmark),
        metric_section(summary, measure_benchmark(result, benchmark)),
        cost_section(summary, result),
        _shares(result, "drawdown", result.drawdown, 140),
        month_section(result.panel.days[result.panel.session_ends], result.returns),
        _rolling(result),
        traded_section(result),
        _shares(result, "exposure", result.exposure, 120),
        trade_section(result),
        repeat_section(summary),
    ]
    title = f"{summary.strategy} · {_scope(summary)}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)} · Kaboom</title><style>{STYLE}</style></head><body>"
        '<input class="lang" type="radio" name="lang" id="en" checked aria-label="English">'
        '<input class="lang" type="radio" name="lang" id="ja" aria-label="日本語">'
        f"{_header(summary, title)}<main>{''.join(sections)}</main>"
        f"<footer>{both(DISCLAIMER)}</footer></body></html>\n"
    ).encode()


def _scope(summary: RunSummary) -> str:
    names = summary.request.get("symbols") or [str(summary.request.get("market"))]
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _header(summary: RunSummary, title: str) -> str:
    notes = [name for name, is_so in (("made_up", not summary.is_real), ("ruined", summary.is_ruined)) if is_so]
    strips = "".join(f'<p class="warn">{say(name)}</p>' for name in (*notes, "in_sample"))
    span = f"{summary.interval}, {summary.first} {DASH} {summary.last}, {summary.provider}"
    return (
        '<header><div class="pick"><label for="en">English</label><label for="ja" lang="ja">日本語</label></div>'
        f'<span class="sub">{say("backtest")}</span><h1>{escape(title)}</h1><span class="sub">{escape(span)}</span>'
        f"{strips}</header>"
    )


def _equity(result: Result, benchmark: Floats) -> str:
    ends = result.panel.session_ends
    lines = [Line(benchmark[ends] / 1e6, "thin"), Line(result.equity[ends] / 1e6)]
    chart = line_chart(result.panel.days[ends], lines, height=280, label="equity")
    return section(say("equity"), chart, sub=say("equity_sub"))


def _shares(result: Result, name: str, shares: Floats, height: int) -> str:
    ends = result.panel.session_ends
    lines = [Line(shares[ends] * 100)]
    chart = line_chart(result.panel.days[ends], lines, height=height, is_area=True, label=name)
    return section(say(name), chart, sub=say(f"{name}_sub"))


def _rolling(result: Result) -> str:
    rolling, days = rolling_of(result.returns), result.panel.days[result.panel.session_ends]
    known = rolling.sessions - 1
    if days.size <= known + 1:
        return ""
    sub = say("rolling_sub", sessions=rolling.sessions)
    sharpe = line_chart(days[known:], [Line(rolling.sharpe[known:])], height=140, label="rolling Sharpe ratio")
    lines = [Line(rolling.volatility[known:] * 100)]
    volatility = line_chart(days[known:], lines, height=140, label="rolling volatility, %")
    return section(say("rolling_sharpe"), sharpe, sub=sub) + section(say("rolling_volatility"), volatility, sub=sub)
