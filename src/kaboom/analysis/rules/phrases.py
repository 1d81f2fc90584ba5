"""The sentences of the rules analyst; a name in braces is a field of the facts."""

from collections.abc import Mapping
from types import MappingProxyType

from kaboom.text.catalogue import gettext_noop

#: By name.
PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "above_short": gettext_noop("The close {close} is above the 25-session average {sma_25}."),
        "below_short": gettext_noop("The close {close} is below the 25-session average {sma_25}."),
        "above_long": gettext_noop("The 25-session average {sma_25} is above the 75-session average {sma_75}."),
        "below_long": gettext_noop("The 25-session average {sma_25} is below the 75-session average {sma_75}."),
        "momentum_up": gettext_noop("The histogram of MACD is positive at {macd_12_26_9_histogram}."),
        "momentum_down": gettext_noop("The histogram of MACD is negative at {macd_12_26_9_histogram}."),
        "overheated": gettext_noop("RSI is {rsi_14}, which counts as overbought."),
        "oversold": gettext_noop("RSI is {rsi_14}, which counts as oversold."),
        "calm": gettext_noop("RSI is {rsi_14}, in its middle range."),
        "month": gettext_noop("Over 20 sessions the change is {return_20_pct}."),
        "few_bars": gettext_noop("Only {bars} bars of {sessions} sessions are held, too few for a judgement."),
        "volatility": gettext_noop("The volatility over 20 sessions is {volatility_20_pct} a year."),
        "drawdown": gettext_noop("The deepest drawdown is {max_drawdown_pct}."),
        "worst_day": gettext_noop("The worst session was {worst_day_pct}."),
        "turnover": gettext_noop("The mean turnover over 20 sessions is {turnover_20}."),
        "all_fine": gettext_noop("All {total} items ended, {failed} of them failed."),
        "some_failed": gettext_noop("{failed} of {total} items failed."),
        "outcome_provider_error": gettext_noop("The provider failed for {outcome_provider_error} items."),
        "outcome_rate_limited": gettext_noop(
            "The provider refused {outcome_rate_limited} items because of too many calls."
        ),
        "outcome_invalid": gettext_noop("Every row of {outcome_invalid} items failed the quality checks."),
        "outcome_write_failed": gettext_noop("{outcome_write_failed} items could not be stored."),
        "outcome_not_listed": gettext_noop("{outcome_not_listed} items were not listed on that day."),
        "outcome_no_trades": gettext_noop("{outcome_no_trades} items were listed without a trade."),
        "first_cause": gettext_noop("The most frequent cause concerns {cause_1_items} items."),
        "position": gettext_noop("The position has {position_shares} at an average cost of {average_cost}."),
        "unrealised": gettext_noop("Against the average cost the close is {unrealised_pct}."),
        "weight": gettext_noop("The position is {cost_share_pct} of the portfolio's cost."),
        "tested_return": gettext_noop(
            "The strategy returned {total_return_pct}, the benchmark {benchmark_return_pct}."
        ),
        "tested_sharpe": gettext_noop("The Sharpe ratio is {sharpe}, that of the benchmark {benchmark_sharpe}."),
        "tested_drawdown": gettext_noop("The deepest drawdown is {deepest_drawdown_pct}."),
        "few_trades": gettext_noop("Only {trades} trades were closed, too few for a judgement."),
        "costs": gettext_noop("Fees took {fees}; {trades} trades were closed."),
        "many_trials": gettext_noop("It is the best of {trials} trials; luck is excluded with {luck_excluded_pct}."),
        "out_of_sample": gettext_noop("Out of sample the strategy returned {test_return_pct}."),
    }
)
