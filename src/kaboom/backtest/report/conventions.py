"""How a run was computed, in sentences: its costs, which every door says, its symbols, and all conventions."""

from collections.abc import Mapping
from typing import Any

from kaboom.backtest.fee_tables import FEE_TABLES, FeeTableName
from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.report.text import tell
from kaboom.backtest.summary import RunSummary
from kaboom.market.symbol import is_tse_code
from kaboom.text.catalogue import Pair, gettext_noop, pair_of
from kaboom.text.tables import CODES

#: The conventions of every report; those of a fill model are added.
_CONVENTIONS = (
    gettext_noop("A bar is visible from its close; a decision is filled in the next bar at the earliest."),
    gettext_noop("Within a bar: exits before entries, stop-loss before take-profit; a gap fills at the open."),
    gettext_noop(
        "Bars are as traded. Splits change positions at the ex-date; strategies see prices adjusted by splits so far."
    ),
    gettext_noop("A year has 244 sessions. Sharpe and Sortino ratios are arithmetic, with a risk-free rate of 0."),
    gettext_noop("The benchmark has no costs and no lots; with several symbols each has the same weight at each bar."),
    gettext_noop("Noted dividends are paid into cash on the ex-date; the benchmark reinvests them, and pays no tax."),
    gettext_noop("Returns are total returns as far as dividends are noted, else price returns."),
)
#: The most foreign symbols that are named.
_MOST_NAMED = 5
DISCLAIMER = gettext_noop(
    "This is a simulation with past data and guarantees no future result. "
    "Fees, slippage and taxes are as assumed above. Dividends that are not noted are not considered. "
    "It is no solicitation and no investment advice. "
    "Kaboom is not related to JPX or the Tokyo Stock Exchange."
)


def describe_costs(request: Mapping[str, Any]) -> Pair:
    """Return the fees, slippage, tax and foreign symbols of a request of a backtest, in English and Japanese."""
    model = FillModel.parse(request.get("model", {}))
    said = [
        describe_fees(model.fees),
        describe_slippage(model.slippage),
        *([describe_tax(model)] if model.tax_rate else []),
        *_say_foreign(request, model),
    ]
    return " ".join(english for english, _ in said), "".join(japanese for _, japanese in said)


def _say_foreign(request: Mapping[str, Any], model: FillModel) -> list[Pair]:
    """Say which rules of the TSE are applied to symbols of other exchanges, such as those of the user's files."""
    foreign = [symbol for symbol in request.get("symbols") or () if not is_tse_code(symbol)]
    if not foreign:
        return []
    names = ", ".join(foreign[:_MOST_NAMED]) + (", \u2026" if len(foreign) > _MOST_NAMED else "")
    forced = tell("The ticks of the TSE are applied to {symbols} too.", symbols=names)
    without = tell("{symbols}: no code of the TSE, so no ticks; slippage of ticks costs nothing.", symbols=names)
    limits = tell("The daily price limits of the TSE are applied to {symbols} too.", symbols=names)
    no_limits = tell("{symbols}: no daily price limits of the TSE.", symbols=names)
    return [forced if model.has_ticks else without, limits if model.has_limits else no_limits]


def describe_fees(fees: Fees) -> Pair:
    """Return the fee of a fill."""
    if fees.table:
        return _describe_table(fees.table)
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


def _describe_table(name: FeeTableName) -> Pair:
    table = FEE_TABLES[name]
    text = gettext_noop("Fees of {broker} since {day} ({source}), by the value of each fill.")
    if table.is_daily:
        text = gettext_noop("Fees of {broker} since {day} ({source}), by the total of each session.")
    brokers = pair_of(CODES["fee_table"][name], f"fee_table {name}")
    english, japanese = (
        tell(text, broker=broker, day=table.since, source=table.source)[n] for n, broker in enumerate(brokers)
    )
    return english, japanese


def describe_slippage(slip: Slippage) -> Pair:
    """Return how much worse than its price a market or stop order is filled."""
    return tell(
        "Slippage of market and stop orders: {rate} of the price, ticks: {ticks}, impact: {impact}.",
        rate=f"{slip.rate:.3%}",
        ticks=slip.ticks,
        impact=f"{slip.impact:.3%}",
    )


def describe_tax(model: FillModel) -> Pair:
    """Return the tax of a year."""
    if not model.tax_rate:
        return tell("Taxes are not considered.")
    text = gettext_noop(
        "A tax of {rate} is withheld on gains and dividends and paid back on losses, within a calendar year by "
        "settlement; losses are not carried forward."
    )
    return tell(text, rate=f"{model.tax_rate:.3%}")


def describe(summary: RunSummary) -> list[Pair]:
    """Return how a run was computed: its fill model, its symbols, and the conventions of all reports."""
    model = FillModel.parse(summary.request.get("model", {}))
    return [*_describe_model(model), *_describe_symbols(summary), describe_tax(model), *map(tell, _CONVENTIONS)]


def _describe_model(model: FillModel) -> list[Pair]:
    if model.volume_cap:
        cap = f"{model.volume_cap:.0%}"
        found = [tell("Lots of {lot}; at most {cap} of a bar's volume is filled.", lot=model.lot, cap=cap)]
    else:
        found = [tell("Lots of {lot}; any volume is filled.", lot=model.lot)]
    found += [describe_fees(model.fees), describe_slippage(model.slippage)]
    if model.has_limits is not False:
        found.append(tell("Nothing is filled at a locked daily price limit."))
    if model.allows_short:
        found.append(tell("Short positions cost {rate} a year.", rate=f"{model.borrow_rate:.2%}"))
    else:
        found.append(tell("Short positions are not allowed: a sale closes what is held at most."))
    return found


def _describe_symbols(summary: RunSummary) -> list[Pair]:
    counts = {"delisted": summary.delisted, "missing": summary.missing}
    if not summary.listed_on:
        text = gettext_noop(
            "The caller chose the symbols ({symbols}), with their survivorship bias; delisted since: {delisted}, "
            "without bars: {missing}."
        )
        return [tell(text, symbols=summary.symbols, **counts)]
    days, oldest = ", ".join(day.isoformat() for day in summary.listed_on), min(summary.listed_on)
    text = gettext_noop(
        "Symbols are those of the lists of {days}; delisted since: {delisted}, without bars: {missing}."
    )
    late = gettext_noop(
        "No list of the first day is held: symbols that left before {day} are missing, which is survivorship bias."
    )
    found = [tell(text, days=days, **counts)]
    return [*found, tell(late, day=oldest.isoformat())] if oldest > summary.first else found
