"""The strategies by name."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from batch.backtest.strategies.breakout import Breakout
from batch.backtest.strategies.buy_and_hold import BuyAndHold
from batch.backtest.strategies.mean_reversion import MeanReversion
from batch.backtest.strategies.momentum_rank import MomentumRank
from batch.backtest.strategies.parameters import check_parameters
from batch.backtest.strategies.sma_cross import SmaCross
from batch.errors import InvalidRequest

type Strategy = SmaCross | MomentumRank | MeanReversion | Breakout | BuyAndHold

STRATEGIES: Mapping[str, type[Strategy]] = MappingProxyType(
    {kind.name: kind for kind in (SmaCross, MomentumRank, MeanReversion, Breakout, BuyAndHold)}
)


def parse_strategy(name: str, parameters: Mapping[str, Any]) -> Strategy:
    """Return a strategy with its parameters, as JSON types.

    Raises:
        InvalidRequest: there is no strategy of that name, or a parameter is not allowed.

    """
    check_parameters(name, parameters)
    return STRATEGIES[name].parse(parameters)


def grid(name: str, choices: Mapping[str, Sequence[Any]]) -> Iterator[Strategy]:
    """Yield a strategy for every combination of parameters; combinations that are not allowed are left out.

    Raises:
        InvalidRequest: there is no strategy of that name, or no combination is allowed.

    """
    refused: InvalidRequest | None = None
    has_any = False
    for values in itertools.product(*choices.values()):
        try:
            strategy = parse_strategy(name, dict(zip(choices, values, strict=True)))
        except InvalidRequest as e:
            refused = e
            continue
        has_any = True
        yield strategy
    if not has_any:
        raise refused or InvalidRequest("a parameter had no values", pointer="/parameters")
