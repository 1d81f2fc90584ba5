"""The texts of a report, in English and Japanese."""

from collections.abc import Mapping

from kaboom.text.backtests import METRIC_NAMES
from kaboom.text.language import Pair

WORDS: Mapping[str, Pair] = {
    "backtest": ("Backtest", "バックテスト"),
    "made_up": (
        "Made with generated bars: it says how the strategy behaves, nothing about the market.",
        "合成データの足による結果です。戦略の挙動を確かめるためのもので、実際の市場での成績を示すものではありません。",
    ),
    "in_sample": (
        "In sample: no part of the bars was held back from the choice of parameters.",
        "インサンプルの結果です。検証用に残した期間はありません。",
    ),
    "ruined": (
        "Short positions lost more than there was: the run ended there.",
        "空売りの損失が資産を超えたため、そこで終了しました。",
    ),
    "equity": ("Equity", "資産の推移"),
    "equity_sub": ("million yen; thin line: benchmark", "百万円。細線：ベンチマーク"),
    "drawdown": ("Drawdown", "ドローダウン"),
    "drawdown_sub": ("distance from the highest equity so far, %", "それまでの最高資産からのドローダウン（％）"),
    "exposure": ("Exposure", "株式比率"),
    "exposure_sub": ("value of all positions as a share of equity, %", "資産に対する保有額の割合（％）"),
    "rolling_sharpe": ("Rolling Sharpe ratio", "シャープレシオの推移"),
    "rolling_volatility": ("Rolling volatility", "ボラティリティの推移"),
    "rolling_sub": ("of the last {sessions} sessions, a year", "直近{sessions}立会日、年率"),
    "months": ("Monthly returns", "月次リターン"),
    "months_sub": ("%, of the strategy", "戦略、％"),
    "year": ("Year", "年"),
    "total": ("Total", "通年"),
    "candles": ("Trades on the candles", "ローソク足と約定"),
    "candles_sub": (
        "{symbol}, the last {bars} bars as traded; ▲ bought, ▼ sold",
        "{symbol}、直近{bars}本（未調整）。▲は買い、▼は売り",
    ),
    "metrics": ("Metrics", "指標"),
    "strategy": ("Strategy", "戦略"),
    "benchmark": ("Benchmark", "ベンチマーク"),
    "trades": ("Trades", "約定"),
    "trades_sub": (
        "the last {shown} of {count}: {won} won, {lost} lost, {open} open",
        "全{count}件のうち直近{shown}件：利益{won}件、損失{lost}件、保有中{open}件",
    ),
    "no_trades": ("No trade was made.", "約定はありません。"),
    "symbol": ("Symbol", "銘柄"),
    "entry": ("Entry", "新規"),
    "exit": ("Exit", "決済"),
    "shares": ("Shares", "株数"),
    "entry_price": ("At, yen", "建値（円）"),
    "exit_price": ("Exit at, yen", "決済値（円）"),
    "fees": ("Fees, yen", "手数料（円）"),
    "pnl": ("Profit, yen", "損益（円）"),
    "gain": ("Return", "損益率"),
    "reason": ("Reason", "理由"),
    "costs": ("Costs", "費用"),
    "all_fees": ("All fees", "手数料の合計"),
    "fees_a_year": ("Fees a year, of the mean equity", "年間手数料（平均資産比）"),
    "all_flows": ("Dividends, borrow costs and fractions", "配当・貸株料・端株の合計"),
    "turnover": ("Turnover a year", "年間回転率"),
    "conventions": ("How it was computed", "計算の前提"),
    "lots": (
        "Lots of {lot}; at most {cap} of a bar's volume is filled.",
        "売買単位は{lot}株で、約定は足の出来高の{cap}までです。",
    ),
    "no_cap": ("Lots of {lot}; any volume is filled.", "売買単位は{lot}株で、出来高による制限はありません。"),
    "fee": (
        "A fill costs {rate} of its value and {fixed:g} yen.",
        "手数料は約定ごとに約定代金の{rate}と{fixed:g}円です。",
    ),
    "fee_within": (
        "A fill costs {rate} of its value and {fixed:g} yen, from {least:g} to {most} yen.",
        "手数料は約定ごとに約定代金の{rate}と{fixed:g}円で、{least:g}円から{most}円までです。",
    ),
    "fee_steps": ("Fees are a table of {steps} steps.", "手数料は{steps}段階の表によります。"),
    "slippage": (
        "Slippage of market and stop orders: {rate} of the price, ticks: {ticks}, impact: {impact}.",
        "成行・逆指値のスリッページは{rate}、呼値{ticks}単位、市場インパクト{impact}です。",
    ),
    "limits": (
        "Nothing is filled at a locked daily price limit.",
        "ストップ高・ストップ安に張り付いた足では約定しません。",
    ),
    "shorts": ("Short positions cost {rate} a year.", "空売りの貸株料は年{rate}です。"),
    "no_shorts": (
        "Short positions are not allowed: a sale closes what is held at most.",
        "空売りはせず、売りは保有分の決済に限ります。",
    ),
    "chosen": (
        "The caller chose the symbols ({symbols}), with their survivorship bias; delisted since: {delisted}, without bars: {missing}.",
        "対象の{symbols}銘柄は利用者が選び、生存者バイアスを含みます。上場廃止は{delisted}銘柄、足のない銘柄は{missing}銘柄です。",
    ),
    "listed": (
        "Symbols are those of the lists of {days}; delisted since: {delisted}, without bars: {missing}.",
        "対象は{days}時点の一覧の銘柄です。上場廃止は{delisted}銘柄、足のない銘柄は{missing}銘柄です。",
    ),
    "late_list": (
        "No list of the first day is held: symbols that left before {day} are missing, which is survivorship bias.",
        "初日時点の一覧がないため、{day}より前に外れた銘柄は対象に入らず、生存者バイアスを含みます。",
    ),
    "repeat": ("To repeat it", "再現のための情報"),
    "fingerprint": ("fingerprint of the bars", "足のフィンガープリント"),
    "as_of": ("bars as of", "データの時点"),
    "code_version": ("code", "コード"),
    "seed": ("seed", "乱数シード"),
    "digest": ("digest of the result", "結果のダイジェスト"),
    "parameters": ("parameters", "パラメーター"),
    "source": ("source of the bars", "データ提供元"),
}

METRICS: Mapping[str, Pair] = {
    name: (english[:1].upper() + english[1:], japanese) for name, (english, japanese) in METRIC_NAMES.items()
}

REASONS: Mapping[str, Pair] = {
    "order": ("order", "注文"),
    "limit": ("limit", "指値"),
    "stop_loss": ("stop-loss", "損切り"),
    "take_profit": ("take-profit", "利益確定"),
    "margin_call": ("margin call", "追証"),
    "ruin": ("ruin", "破綻"),
    "delisted": ("delisting", "上場廃止"),
    "squeezed_out": ("reverse split to less than a share", "1株未満への併合"),
}

#: The conventions of every report; those of a fill model are added.
CONVENTIONS: tuple[Pair, ...] = (
    (
        "A bar is visible from its close; a decision is filled in the next bar at the earliest.",
        "足は終値の確定後に見えるものとし、注文の約定は早くても次の足です。",
    ),
    (
        "Within a bar: exits before entries, stop-loss before take-profit; a gap fills at the open.",
        "足の中では、決済を新規より先に、損切りを利益確定より先に処理します。窓を開けた場合は始値で約定します。",
    ),
    (
        "Bars are as traded. Splits change positions at the ex-date; strategies see prices adjusted by splits so far.",
        "足は未調整です。分割・併合は権利落ち日に建玉へ反映し、戦略にはその時点までの分割で調整した価格を渡します。",
    ),
    (
        "A year has 244 sessions. Sharpe and Sortino ratios are arithmetic, with a risk-free rate of 0.",
        "1年は244立会日です。シャープレシオとソルティノレシオは算術平均、無リスク金利は0です。",
    ),
    (
        "The benchmark has no costs and no lots; with several symbols each has the same weight at each bar.",
        "ベンチマークは費用と売買単位を考慮しません。複数銘柄では各足で等ウェイトとします。",
    ),
    (
        "Noted dividends are paid into cash on the ex-date, before tax; the benchmark reinvests them.",
        "登録された配当は、権利落ち日に税引前で現金に加えます。ベンチマークは配当を再投資します。",
    ),
    (
        "Returns are total returns as far as dividends are noted, else price returns.",
        "リターンは、登録された配当の範囲で配当込み、登録がなければ配当抜きです。",
    ),
)

DISCLAIMER: Pair = (
    (
        "This is a simulation with past data and guarantees no future result. Fees and slippage are as assumed above. "
        "Taxes are not considered, nor dividends that are not noted. It is no solicitation and no investment advice. "
        "Kaboom is not related to JPX or the Tokyo Stock Exchange."
    ),
    (
        "過去のデータによるシミュレーションであり、将来の成果を保証しません。手数料・スリッページは上記の前提によります。"
        "税金と、登録のない配当は考慮していません。投資勧誘・投資助言を目的としません。JPX・東証とは無関係です。"
    ),
)
