"""The costs that a run assumed, in a sentence or two: with every result of every door."""

from collections.abc import Mapping
from typing import Any

from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.report.text import tell
from kaboom.text.language import Pair


def describe_costs(model: Mapping[str, Any]) -> Pair:
    """Return the fees and the slippage of the fill model of a request, in English and Japanese."""
    parsed = FillModel.parse(model)
    fee, slip = describe_fees(parsed.fees), describe_slippage(parsed.slippage)
    return f"{fee[0]} {slip[0]}", f"{fee[1]}{slip[1]}"


def describe_fees(fees: Fees) -> Pair:
    """Return the fee of a fill."""
    if fees.steps:
        return tell("Fees are a table of {steps} steps.", steps=len(fees.steps))
    if fees.least or fees.most is not None:
        most = "\u221e" if fees.most is None else f"{fees.most:g}"
        return tell(
            "A fill costs {rate} of its value and {fixed:g} yen, from {least:g} to {most} yen.",
            rate=f"{fees.rate:.3%}",
            fixed=fees.fixed,
            least=fees.least,
            most=most,
        )
    return tell("A fill costs {rate} of its value and {fixed:g} yen.", rate=f"{fees.rate:.3%}", fixed=fees.fixed)


def describe_slippage(slip: Slippage) -> Pair:
    """Return how much worse than its price a market or stop order is filled."""
    return tell(
        "Slippage of market and stop orders: {rate} of the price, ticks: {ticks}, impact: {impact}.",
        rate=f"{slip.rate:.3%}",
        ticks=slip.ticks,
        impact=f"{slip.impact:.3%}",
    )
