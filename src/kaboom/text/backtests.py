"""What the commands of backtests say."""

from collections.abc import Mapping

from kaboom.text.language import Pair

BACKTEST_WORDS: dict[str, Pair] = {
    "backtest_head": (
        "{strategy} {parameters} · {symbols} · {first} to {last}, {sessions}",
        "{strategy} {parameters}、{symbols}、{first}～{last}（{sessions}）",
    ),
    "backtest_no_shorts": (
        "side is both, and short positions are not allowed: only the long side was run (--short allows them)",
        "side は both ですが、空売りを許可していないため、買いのみで実行しました（--short で許可）",
    ),
    "backtest_missing": (
        "{n:,} more symbol was asked for and has no bars || {n:,} more symbols were asked for and have no bars",
        "このほかに{n:,}銘柄が対象でしたが、足がありません",
    ),
    "backtest_late_list": (
        "no list of the first day is held: symbols that left before {day} are missing (survivorship bias)",
        "初日時点の一覧がないため、{day}より前に外れた銘柄は対象外です（生存者バイアス）",
    ),
    "backtest_ruined": (
        "short positions lost more than there was: the run ended there",
        "空売りの損失が資産を超えたため、そこで終了しました",
    ),
    "backtest_pinned": ("bars as of {at}", "{at} 時点の足"),
    "backtest_not_pinned": (
        "bars as they are: InfluxDB keeps no history, so a repetition reads corrected bars",
        "現在の足です。InfluxDBは履歴を残さないため、再実行すると訂正後の足を読みます",
    ),
    "benchmark_return": ("benchmark {name}, total return", "ベンチマーク {name} の累積リターン"),
    "test_return": ("test: return", "検証期間のリターン"),
    "test_sharpe": ("test: Sharpe", "検証期間のシャープレシオ"),
    "sweep_head": (
        "{trials:,} trials, {left_out:,} left out, {lost:,} lost; the best:",
        "試行{trials:,}件（除外{left_out:,}件、消失{lost:,}件）。上位：",
    ),
    "sweep_deflated": (
        "deflated Sharpe ratio of the best of {trials:,} trials: {deflated:.1%} probable that it is not luck",
        "試行{trials:,}件の最良の結果が偶然でない確率（デフレーテッド・シャープレシオ）：{deflated:.1%}",
    ),
    "sweep_forward": (
        "walking forward in {folds} steps: return {total_return}, Sharpe {sharpe}, drawdown {max_drawdown}",
        "ウォークフォワード{folds}回：リターン {total_return}、シャープレシオ {sharpe}、ドローダウン {max_drawdown}",
    ),
    "sweep_of_file": (
        "{file} is a file; a sweep runs in workers: put it in their KABOOM_STRATEGIES_DIR, and name it without .py",
        "{file} はファイルです。探索はワーカーで実行します。KABOOM_STRATEGIES_DIR に置き、.py を除いた名前で指定してください",
    ),
    "rerun_same": ("the same bytes: {digest}", "同一の結果です：{digest}"),
    "rerun_differs": ("the result differs: {digest}", "結果が異なります：{digest}"),
    "rerun_bars": ("the bars have changed since: {old}, now {new}", "足が変わっています：{old} から {new}"),
    "rerun_not_pinned": (
        "the first run had no moment to read its bars at: InfluxDB keeps no history",
        "最初の実行にはデータの時点がありません。InfluxDBは履歴を残しません",
    ),
    "rerun_code": ("the code has changed since: {old}, now {new}", "コードが変わっています：{old} から {new}"),
    "rerun_strategy": (
        "the file of strategy {strategy} has changed since",
        "戦略 {strategy} のファイルが変わっています",
    ),
    "compare_same": (
        "All runs saw the same bars, splits and listings.",
        "すべて同じ足・株式分割・上場情報による結果です。",
    ),
    "compare_other": (
        "The runs saw different bars: part of what differs is not the strategy.",
        "足が異なります。差には戦略以外の要因も含まれます。",
    ),
    "compare_metric": ("metric", "指標"),
    "compare_difference": ("what differs", "異なる点"),
    "ran_here": ("{file} runs in this process, without a worker", "{file} をワーカーを使わずこのプロセスで実行します"),
    "report_written": ("report: {path}", "レポート：{path}"),
    "looks_ahead": (
        "the strategy looks ahead: its decision of {at} changes without later bars; {what}",
        "先読みがあります。{at} の判断が後の足を除くと変わります：{what}",
    ),
    "looks_not_ahead": (
        "{file}: none of {decisions:,} decisions changed when later bars were taken away, at {cuts} of {bars:,} bars of {where}",
        "{file}：{where}の足{bars:,}本のうち{cuts}本で後の足を除いて比べましたが、{decisions:,}件の判断はどれも変わりませんでした",
    ),
    "check_held": ("{symbols} symbols, {first} to {last}", "{symbols}銘柄、{first}～{last}"),
    "check_made_up": ("{symbols} made-up symbols", "合成データの{symbols}銘柄"),
    "check_of_no_symbol": (
        "made-up bars have no days and no provider: name the bars by --symbol or --market, or leave the other options out",
        "合成データに日付やデータ提供元はありません。--symbol か --market で足を指定するか、ほかのオプションを省いてください",
    ),
}

#: The figures of a backtest, for commands, pages and reports.
METRIC_NAMES: Mapping[str, Pair] = {
    "final_equity": ("final equity, yen", "最終資産（円）"),
    "total_return": ("total return", "累積リターン"),
    "cagr": ("return a year", "年率リターン"),
    "volatility": ("volatility a year", "年率ボラティリティ"),
    "sharpe": ("Sharpe ratio", "シャープレシオ"),
    "sortino": ("Sortino ratio", "ソルティノレシオ"),
    "calmar": ("Calmar ratio", "カルマーレシオ"),
    "max_drawdown": ("maximum drawdown", "最大ドローダウン"),
    "hit_rate": ("trades with a gain", "勝率"),
    "turnover": ("turnover a year", "年間回転率"),
    "exposure": ("mean exposure", "平均株式比率"),
    "trades": ("closed trades", "決済済み取引数"),
}

METRIC_CODES: dict[str, Pair] = {
    **METRIC_NAMES,
    "fees": ("fees, yen", "手数料（円）"),
    "flows": ("dividends and borrow costs, yen", "配当・貸株料（円）"),
}

#: The titles of the strategies that Kaboom has.
STRATEGY_CODES: dict[str, Pair] = {
    "sma_cross": ("crossing moving averages", "移動平均の交差"),
    "momentum_rank": ("the strongest symbols of the panel", "モメンタム上位の銘柄"),
    "mean_reversion": ("back to the mean of Bollinger bands", "ボリンジャーバンドの平均への回帰"),
    "breakout": ("breakout from a price channel", "価格チャネルのブレイクアウト"),
    "buy_and_hold": ("buy once, and hold", "一度買って保有"),
}
