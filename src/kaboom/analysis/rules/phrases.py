"""The sentences of the rules analyst, in English and Japanese; a name in braces is a field of the facts."""

from collections.abc import Mapping
from types import MappingProxyType

#: By name: English, Japanese.
PHRASES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "above_short": (
            "The close {close} is above the 25-session average {sma_25}.",
            "終値{close}は25日移動平均{sma_25}を上回っています。",
        ),
        "below_short": (
            "The close {close} is below the 25-session average {sma_25}.",
            "終値{close}は25日移動平均{sma_25}を下回っています。",
        ),
        "above_long": (
            "The 25-session average {sma_25} is above the 75-session average {sma_75}.",
            "25日移動平均{sma_25}は75日移動平均{sma_75}を上回っています。",
        ),
        "below_long": (
            "The 25-session average {sma_25} is below the 75-session average {sma_75}.",
            "25日移動平均{sma_25}は75日移動平均{sma_75}を下回っています。",
        ),
        "momentum_up": (
            "The histogram of MACD is positive at {macd_12_26_9_histogram}.",
            "MACDのヒストグラムは{macd_12_26_9_histogram}でプラス圏です。",
        ),
        "momentum_down": (
            "The histogram of MACD is negative at {macd_12_26_9_histogram}.",
            "MACDのヒストグラムは{macd_12_26_9_histogram}でマイナス圏です。",
        ),
        "overheated": (
            "RSI is {rsi_14}, which counts as overbought.",
            "RSIは{rsi_14}で、買われ過ぎの水準です。",
        ),
        "oversold": ("RSI is {rsi_14}, which counts as oversold.", "RSIは{rsi_14}で、売られ過ぎの水準です。"),
        "calm": ("RSI is {rsi_14}, in its middle range.", "RSIは{rsi_14}で、中間の水準です。"),
        "month": ("Over 20 sessions the change is {return_20_pct}.", "20立会日の騰落率は{return_20_pct}です。"),
        "few_bars": (
            "Only {bars} bars of {sessions} sessions are held, too few for a judgement.",
            "対象{sessions}立会日のうち足は{bars}本で、判断には足りません。",
        ),
        "volatility": (
            "The volatility over 20 sessions is {volatility_20_pct} a year.",
            "20立会日のボラティリティは年率{volatility_20_pct}です。",
        ),
        "drawdown": ("The deepest drawdown is {max_drawdown_pct}.", "最大ドローダウンは{max_drawdown_pct}です。"),
        "worst_day": ("The worst session was {worst_day_pct}.", "騰落率が最も低い立会日は{worst_day_pct}です。"),
        "turnover": (
            "The mean turnover over 20 sessions is {turnover_20}.",
            "20立会日の平均売買代金は{turnover_20}です。",
        ),
        "all_fine": (
            "All {total} items ended, {failed} of them failed.",
            "対象{total}件がすべて終わり、失敗は{failed}件です。",
        ),
        "some_failed": ("{failed} of {total} items failed.", "対象{total}件のうち{failed}件が失敗しました。"),
        "outcome_provider_error": (
            "The provider failed for {outcome_provider_error} items.",
            "データ提供元のエラーが{outcome_provider_error}件あります。",
        ),
        "outcome_rate_limited": (
            "The provider refused {outcome_rate_limited} items because of too many calls.",
            "呼び出し回数の上限超過が{outcome_rate_limited}件あります。",
        ),
        "outcome_invalid": (
            "Every row of {outcome_invalid} items failed the quality checks.",
            "全行が品質検査で不合格となった対象が{outcome_invalid}件あります。",
        ),
        "outcome_write_failed": (
            "{outcome_write_failed} items could not be stored.",
            "保存に失敗した対象が{outcome_write_failed}件あります。",
        ),
        "outcome_not_listed": (
            "{outcome_not_listed} items were not listed on that day.",
            "当日上場なしが{outcome_not_listed}件あります。",
        ),
        "outcome_no_trades": (
            "{outcome_no_trades} items were listed without a trade.",
            "約定なしが{outcome_no_trades}件あります。",
        ),
        "first_cause": (
            "The most frequent cause concerns {cause_1_items} items.",
            "最も多い原因は{cause_1_items}件に当てはまります。",
        ),
        "position": (
            "The position has {position_shares} at an average cost of {average_cost}.",
            "保有は{position_shares}、平均取得単価は{average_cost}です。",
        ),
        "unrealised": (
            "Against the average cost the close is {unrealised_pct}.",
            "平均取得単価に対する終値の騰落率は{unrealised_pct}です。",
        ),
        "weight": (
            "The position is {cost_share_pct} of the portfolio's cost.",
            "取得金額に占める割合は{cost_share_pct}です。",
        ),
        "tested_return": (
            "The strategy returned {total_return_pct}, the benchmark {benchmark_return_pct}.",
            "戦略の収益率は{total_return_pct}、ベンチマークは{benchmark_return_pct}です。",
        ),
        "tested_sharpe": (
            "The Sharpe ratio is {sharpe}, that of the benchmark {benchmark_sharpe}.",
            "シャープレシオは{sharpe}、ベンチマークは{benchmark_sharpe}です。",
        ),
        "tested_drawdown": (
            "The deepest drawdown is {deepest_drawdown_pct}.",
            "最大ドローダウンは{deepest_drawdown_pct}です。",
        ),
        "few_trades": (
            "Only {trades} trades were closed, too few for a judgement.",
            "決済まで終えた売買は{trades}件だけで、判断には足りません。",
        ),
        "costs": (
            "Fees took {fees}; {trades} trades were closed.",
            "手数料は{fees}、決済まで終えた売買は{trades}件です。",
        ),
        "many_trials": (
            "It is the best of {trials} trials; luck is excluded with {luck_excluded_pct}.",
            "{trials}通りの試行のうち最良の結果で、偶然でない確率は{luck_excluded_pct}です。",
        ),
        "out_of_sample": (
            "Out of sample the strategy returned {test_return_pct}.",
            "検証期間の収益率は{test_return_pct}です。",
        ),
    }
)
