"""The names of the figures of a backtest."""

from collections.abc import Mapping

from kaboom.text.language import Pair

#: Also for the tables of the command line.
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
