"""The page of a report, with its style."""

from html import escape

from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.report.charts import Line, line_chart, month_section
from kaboom.backtest.report.rolling_metrics import rolling_of
from kaboom.backtest.report.tables import (
    DISCLAIMER,
    cost_section,
    measure_benchmark,
    metric_section,
    repeat_section,
    trade_section,
)
from kaboom.backtest.report.text import DASH, both, say, section, warn
from kaboom.backtest.report.traded_bars import traded_section
from kaboom.backtest.result import Result
from kaboom.backtest.summary import RunSummary

#: The page may load nothing, so it looks the same wherever it is opened.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root{color-scheme:light dark;--bg:light-dark(#fdfdfc,#121417);--bg2:light-dark(#f5f5f2,#191c20);
--line:light-dark(#e3e3de,#2a2e34);--ink:light-dark(#17191d,#e9eaec);--ink2:light-dark(#4d5058,#b1b5bd);
--ink3:light-dark(#686b73,#8f949d);--accent:light-dark(#3346b8,#9fb0ff);--warn:light-dark(#fbf3e0,#2a2313);
--up:light-dark(#cc2222,#ff6b62);--down:light-dark(#1c62b5,#64a9f5)}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.5 Inter,"Hiragino Sans","Yu Gothic UI",Meiryo,
"Noto Sans CJK JP","Noto Sans JP",system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:16px;display:grid;grid-template-columns:1fr 1fr;gap:24px}
header{max-width:1040px;margin:0 auto;padding:16px 16px 0}
h1{font-size:22px;margin:8px 0 0;overflow-wrap:anywhere}h2{font-size:16px;margin:0}
.sub{color:var(--ink3);font-size:13px}.w2{grid-column:1/-1}.w1{grid-column:span 1}
.warn{background:var(--warn);padding:8px 12px;border-radius:6px;margin:12px 0 0}
section{min-width:0}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;margin-top:8px}
th,td{padding:5px 8px;border-bottom:1px solid var(--line);text-align:left;font-weight:400;white-space:nowrap}
thead th{color:var(--ink3);font-size:13px}.num{text-align:right}.up{color:var(--up)}.down{color:var(--down)}
.months td{text-align:right;border:2px solid var(--bg)}
.p1{background:color-mix(in srgb,var(--up) 10%,var(--bg))}.p2{background:color-mix(in srgb,var(--up) 22%,var(--bg))}
.p3{background:color-mix(in srgb,var(--up) 38%,var(--bg))}.n1{background:color-mix(in srgb,var(--down) 10%,var(--bg))}
.n2{background:color-mix(in srgb,var(--down) 22%,var(--bg))}.n3{background:color-mix(in srgb,var(--down) 38%,var(--bg))}
.chart{width:100%;height:auto;display:block;margin-top:8px}.chart text{fill:var(--ink3);font-size:11px}
.grid{stroke:var(--line);fill:none}.line{stroke:var(--accent);fill:none;stroke-width:1.75;stroke-linejoin:round}
.thin{stroke:var(--ink3);fill:none;stroke-width:1}.area{fill:var(--accent);opacity:.14}
.cu{stroke:var(--up);fill:var(--bg)}.cd{stroke:var(--down);fill:var(--down)}
.buy{fill:var(--up)}.sell{fill:var(--down)}.chart .buy,.chart .sell{stroke:var(--bg);stroke-width:1}
ul{margin:8px 0 0;padding-left:20px;color:var(--ink2)}li{margin:2px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:8px 0 0}dt{color:var(--ink3)}
dd{margin:0;font-family:ui-monospace,Consolas,monospace;font-size:12px;overflow-wrap:anywhere}
footer{max-width:1040px;margin:0 auto;padding:0 16px 32px;color:var(--ink2);font-size:13px}
.lang{position:absolute;opacity:0}.pick{float:right;display:flex;gap:4px}
.pick label{padding:2px 10px;border:1px solid var(--line);border-radius:6px;cursor:pointer}
#en:checked~* .pick [for=en],#ja:checked~* .pick [for=ja]{background:var(--bg2);border-color:var(--ink3)}
#en:focus-visible~* .pick [for=en],#ja:focus-visible~* .pick [for=ja]{outline:2px solid var(--accent)}
#en:checked~* .ja,#ja:checked~* .en{display:none}
@media(max-width:720px){main{grid-template-columns:1fr}.w1,.w2{grid-column:1/-1}}
@media print{.pick{display:none}section{break-inside:avoid}}
"""


def build_report(summary: RunSummary, result: Result, benchmark: Floats) -> bytes:
    """Return the report as one HTML file, with the benchmark in yen at each bar; equal runs give equal bytes."""
    sections = [
        _equity(result, benchmark),
        metric_section(summary, measure_benchmark(result, benchmark)),
        cost_section(summary, result),
        _drawdown(result),
        month_section(result.panel.days[result.panel.session_ends], result.returns),
        _rolling(result),
        traded_section(result),
        _exposure(result),
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
        f"<footer>{say(DISCLAIMER)}</footer></body></html>\n"
    ).encode()


def _scope(summary: RunSummary) -> str:
    names = summary.request.get("symbols") or [str(summary.request.get("market"))]
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _header(summary: RunSummary, title: str) -> str:
    strips = "".join(f'<p class="warn">{both(note)}</p>' for note in warn(summary))
    span = f"{summary.interval}, {summary.first} {DASH} {summary.last}, {summary.provider}"
    return (
        '<header><div class="pick"><label for="en">English</label><label for="ja" lang="ja">日本語</label></div>'
        f'<span class="sub">{say("Backtest")}</span><h1>{escape(title)}</h1><span class="sub">{escape(span)}</span>'
        f"{strips}</header>"
    )


def _equity(result: Result, benchmark: Floats) -> str:
    ends = result.panel.session_ends
    lines = [Line(benchmark[ends] / 1e6, "thin"), Line(result.equity[ends] / 1e6)]
    chart = line_chart(result.panel.days[ends], lines, height=280, label="equity")
    return section(say("Equity"), chart, sub=say("million yen; thin line: benchmark"))


def _drawdown(result: Result) -> str:
    chart = _shares(result, result.drawdown, 140, label="drawdown")
    return section(say("Drawdown"), chart, sub=say("distance from the highest equity so far, %"))


def _exposure(result: Result) -> str:
    chart = _shares(result, result.exposure, 120, label="exposure")
    return section(say("Exposure"), chart, sub=say("value of all positions as a share of equity, %"))


def _shares(result: Result, shares: Floats, height: int, *, label: str) -> str:
    ends = result.panel.session_ends
    lines = [Line(shares[ends] * 100)]
    return line_chart(result.panel.days[ends], lines, height=height, is_area=True, label=label)


def _rolling(result: Result) -> str:
    rolling, days = rolling_of(result.returns), result.panel.days[result.panel.session_ends]
    known = rolling.sessions - 1
    if days.size <= known + 1:
        return ""
    sub = say("of the last {sessions} sessions, a year", sessions=rolling.sessions)
    sharpe = line_chart(days[known:], [Line(rolling.sharpe[known:])], height=140, label="rolling Sharpe ratio")
    lines = [Line(rolling.volatility[known:] * 100)]
    volatility = line_chart(days[known:], lines, height=140, label="rolling volatility, %")
    return section(say("Rolling Sharpe ratio"), sharpe, sub=sub) + section(
        say("Rolling volatility"), volatility, sub=sub
    )
