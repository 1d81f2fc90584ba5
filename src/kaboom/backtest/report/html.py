"""The report of a run as one HTML file in English and Japanese, with its style; pure."""

from html import escape

from kaboom.backtest.report.candlesticks import draw_candlesticks
from kaboom.backtest.report.charts import draw_curve, draw_equity
from kaboom.backtest.report.content import Numbers, ReportContent, ReportTrade, ReportYear, Sides
from kaboom.backtest.report.text import (
    DASH,
    Words,
    both,
    list_parameters,
    local,
    metric,
    month,
    number,
    percent,
    say,
    section,
    signed,
    signed_percent,
    table,
    tell,
    tint,
    title_metrics,
    warn,
    way,
)
from kaboom.backtest.summary import RunSummary
from kaboom.text.catalogue import pair_of
from kaboom.text.tables import TITLES

_WORDS = Words(("en", "ja"))
#: The page may load nothing, so it looks the same wherever it is opened.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root{color-scheme:light dark;--bg:light-dark(#fdfdfc,#121417);--bg2:light-dark(#f5f5f2,#191c20);
--line:light-dark(#e3e3de,#2a2e34);--line2:light-dark(#8b8c87,#6b717b);--ink:light-dark(#17191d,#e9eaec);--ink2:light-dark(#4d5058,#b1b5bd);
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
.u1{background:color-mix(in oklab,var(--bg),var(--up) 10%)}.u2{background:color-mix(in oklab,var(--bg),var(--up) 22%)}
.u3{background:color-mix(in oklab,var(--bg),var(--up) 36%)}.d1{background:color-mix(in oklab,var(--bg),var(--down) 10%)}
.d2{background:color-mix(in oklab,var(--bg),var(--down) 22%)}
.d3{background:color-mix(in oklab,var(--bg),var(--down) 36%)}
figure{margin:8px 0 0}.chart svg{display:block;width:100%;overflow:visible}.chart path{vector-effect:non-scaling-stroke}
.chart.ends,.chart.with-prices{display:flex}.chart>svg:first-child{flex:1 1 0;min-width:0}
.chart .names,.chart .prices{flex:none;width:176px}.chart .prices{width:56px}
.chart text{fill:var(--ink3);font-size:11px;font-variant-numeric:tabular-nums}
.chart text.lab{fill:var(--ink2)}.chart text.inb{fill:var(--ink)}.chart text.a{fill:var(--accent);font-weight:600}
.chart text.upt{fill:var(--up);font-weight:600}.chart text.dnt{fill:var(--down);font-weight:600}
.chart .halo{paint-order:stroke;stroke:var(--bg);stroke-width:4px;stroke-linejoin:round}
.chart text.only-phone{display:none}
.g,.ax{stroke:var(--line);fill:none;shape-rendering:crispEdges}.ax{stroke:var(--line2)}
.ln{fill:none;stroke:var(--accent);stroke-width:1.5;stroke-linejoin:round}.ln.thin{stroke-width:1.25}
.ln-2{stroke:var(--ink3);stroke-width:1.25}.ln-dash{stroke-dasharray:3 3}.ar{fill:var(--accent);opacity:.12}
.f-run{fill:var(--accent)}.up-s{stroke:var(--up);fill:var(--bg)}.dn-s{stroke:var(--down);fill:var(--down)}
.link-up,.link-dn{fill:none;stroke:var(--up);stroke-width:1.25;stroke-dasharray:4 3}.link-dn{stroke:var(--down)}
ul{margin:8px 0 0;padding-left:20px;color:var(--ink2)}li{margin:2px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:8px 0 0}dt{color:var(--ink3)}
dd{margin:0;font-family:ui-monospace,Consolas,monospace;font-size:12px;overflow-wrap:anywhere}
footer{max-width:1040px;margin:0 auto;padding:0 16px 32px;color:var(--ink2);font-size:13px}
.lang{position:absolute;opacity:0}.pick{float:right;display:flex;gap:4px}
.pick label{padding:2px 10px;border:1px solid var(--line);border-radius:6px;cursor:pointer}
#en:checked~* .pick [for=en],#ja:checked~* .pick [for=ja]{background:var(--bg2);border-color:var(--ink3)}
#en:focus-visible~* .pick [for=en],#ja:focus-visible~* .pick [for=ja]{outline:2px solid var(--accent)}
#en:checked~* .ja,#ja:checked~* .en{display:none}
@media(max-width:768px){main{grid-template-columns:minmax(0,1fr)}.w1,.w2{grid-column:1/-1}.chart .names{display:none}
.chart text.only-phone{display:block}.from-end{direction:rtl}.from-end>*{direction:ltr;min-width:736px}}
@media print{.pick{display:none}section{break-inside:avoid}}
"""


def build_report(content: ReportContent) -> bytes:
    """Return the report as one HTML file; equal contents give equal bytes."""
    summary = content.summary
    sections = (
        section(
            say("Equity and drawdown"),
            draw_equity(content, summary.strategy, _WORDS),
            sub=say("million yen above, distance from the peak in % below"),
        ),
        _metrics(content),
        _costs(content),
        _sectors(content),
        _months(content.years),
        _candlesticks(content),
        _trades(content),
        *_small_curves(content),
        _facts(summary),
        section(
            say("How it was computed"),
            f"<ul>{''.join(f'<li>{_sides(each)}</li>' for each in content.conventions)}</ul>",
        ),
    )
    title = f"{summary.strategy} · {_scope(summary)}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)} · Kaboom</title><style>{STYLE}</style></head><body>"
        '<input class="lang" type="radio" name="lang" id="en" checked aria-label="English">'
        '<input class="lang" type="radio" name="lang" id="ja" aria-label="日本語">'
        f"{_header(summary, title)}<main>{''.join(sections)}</main>"
        f"<footer>{_sides(content.disclaimer)}</footer></body></html>\n"
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


def _metrics(content: ReportContent) -> str:
    metrics, other, benchmark = content.summary.metrics, content.benchmark_metrics, content.summary.benchmark
    rows = []
    for name, title in title_metrics().items():
        cells = (metric(name, metrics.get(name)), metric(name, other.get(name)))
        rows.append(f"<tr><th>{both(title)}</th>{''.join(f'<td class=num>{cell}</td>' for cell in cells)}</tr>")
    about = "; ".join(filter(None, (benchmark.name, benchmark.note)))
    named = f"{say('Benchmark')} <span>({escape(about)})</span>"
    return section(say("Metrics"), table([("", False), (say("Strategy"), True), (named, True)], rows), wide=False)


def _costs(content: ReportContent) -> str:
    costs = content.costs
    rows = [
        f"<tr><th>{say('All fees')}</th><td class=num>{number(costs.fees)}</td></tr>",
        f"<tr><th>{say('Fees a year, of the mean equity')}</th><td class=num>{percent(costs.fees_a_year, 2)}</td></tr>",
        f"<tr><th>{say('Dividends, borrow costs and fractions')}</th><td class=num>{number(costs.flows)}</td></tr>",
        f"<tr><th>{say('Taxes')}</th><td class=num>{number(costs.taxes)}</td></tr>",
        f"<tr><th>{say('Turnover a year')}</th><td class=num>{number(costs.turnover, 2)}</td></tr>",
    ]
    return section(say("Costs"), table([("", False), ("", True)], rows), wide=False)


def _sectors(content: ReportContent) -> str:
    if not content.sectors:
        return ""
    rows = [
        f"<tr><th>{_sides(each.name)}</th><td class=num>{each.symbols}</td>"
        f"<td class=num>{percent(each.mean)}</td><td class=num>{percent(each.most)}</td></tr>"
        for each in content.sectors
    ]
    head = [(say("Sector"), False), (say("Symbols held"), True), (say("Mean"), True), (say("Most"), True)]
    return section(say("Exposure by sector"), table(head, rows), sub=say("as a share of equity"), wide=False)


def _months(years: list[ReportYear]) -> str:
    head = [(say("Year"), False), *((str(month), True) for month in range(1, 13)), (say("Total"), True)]
    rows = []
    for year in years:
        cells = [f'<td class="{tint(gain)}">{month(gain)}</td>' for gain in year.months]
        cells.append(f'<td class="{tint(year.total, is_year=True)}">{month(year.total)}</td>')
        rows.append(f"<tr><th>{year.year}</th>{''.join(cells)}</tr>")
    shown = table(head, rows).replace("<table", '<table class="months"', 1)
    return section(say("Monthly returns"), shown, sub=say("%, of the strategy"))


def _candlesticks(content: ReportContent) -> str:
    traded = content.candles
    if traded is None:
        return ""
    sub = say(
        "{symbol}, the last {n} bars as traded; ▲ bought, ▼ sold; dashed: from entry to exit",
        symbol=traded.symbol,
        n=sum(bar is not None for bar in traded.bars),
    )
    drawn = f'<div class="scroll from-end">{draw_candlesticks(traded, _WORDS)}</div>'
    return section(say("Trades on the candles"), drawn, sub=sub)


def _small_curves(content: ReportContent) -> list[str]:
    curves = content.curves
    rolling = say("of the last {sessions} sessions, a year", sessions=curves.rolling_sessions)
    volatility: Numbers = [None if value is None else 100 * value for value in curves.rolling_volatility]
    exposure: Numbers = [None if value is None else 100 * value for value in curves.exposure]
    found = []
    for title, sub, values, with_zero in (
        (tell("Exposure"), say("value of all positions as a share of equity, %"), exposure, True),
        (tell("Rolling Sharpe ratio"), rolling, curves.rolling_sharpe, False),
        (tell("Rolling volatility"), rolling, volatility, False),
    ):
        drawn = draw_curve(curves.days, values, " / ".join(title), with_zero=with_zero)
        if drawn:
            found.append(section(both(title), drawn, sub=sub, wide=False))
    return found


def _trades(content: ReportContent) -> str:
    if not content.trades:
        return section(say("Trades"), f"<p>{say('No trade was made.')}</p>")
    texts = (say("Symbol"), say("Entry"), say("Exit"))
    numbers = (say("Shares"), say("At, yen"), say("Exit at, yen"), say("Fees, yen"), say("Profit, yen"), say("Return"))
    head = [*((text, False) for text in texts), *((text, True) for text in numbers), (say("Reason"), False)]
    counts = content.counts.model_dump(exclude={"mean_gain"})
    sub = say("the last {shown} of {count}: {won} won, {lost} lost, {open} open", shown=len(content.trades), **counts)
    return section(say("Trades"), table(head, [_trade(each) for each in content.trades]), sub=sub)


def _trade(trade: ReportTrade) -> str:
    code = trade.exit_reason or ""
    cells = [
        f"<td>{escape(trade.symbol)}</td><td>{local(trade.entry_at)}</td><td>{local(trade.exit_at)}</td>",
        f"<td class=num>{number(trade.side * trade.shares)}</td>",
        *(f"<td class=num>{number(price, 1)}</td>" for price in (trade.entry_price, trade.exit_price)),
        f"<td class=num>{number(trade.fees)}</td>",
        f'<td class="num {way(trade.pnl)}">{signed(trade.pnl)}</td>',
        f'<td class="num {way(trade.gain)}">{signed_percent(trade.gain)}</td>',
        f"<td>{both(pair_of(TITLES['exit'].get(code, code), f'exit {code}'))}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _facts(summary: RunSummary) -> str:
    """Return the facts that a repetition needs."""
    values = {
        say("parameters"): list_parameters(summary.strategy, summary.parameters),
        say("source of the bars"): summary.provider,
        say("fingerprint of the bars"): summary.fingerprint,
        say("bars as of"): summary.request.get("as_of", DASH),
        say("code"): summary.code_version,
        say("seed"): str(summary.seed),
        say("digest of the result"): summary.digest,
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in values.items())
    return section(say("To repeat it"), f"<dl>{listed}</dl>", wide=False)


def _sides(text: Sides) -> str:
    return both((text.en, text.ja))
