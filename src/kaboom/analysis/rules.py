"""The rules analyst: verdicts by fixed rules on the same facts, and with the same checks, as those of a model."""

from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from types import MappingProxyType

from kaboom.analysis.facts.model import Facts, unit_of
from kaboom.analysis.opinion import MOST_POINTS, Claim, Opinion, Point
from kaboom.analysis.vocabulary import Kind, Verdict
from kaboom.text.catalogue import Language, gettext, gettext_noop

#: Its name on a result, with the version of the rules.
RULES_ANALYST = "rules-1"

#: The share of all signals from which they have a direction.
_LEAN = 0.4
_HOT, _COLD = 70.0, 30.0
#: A volatility a year, or a drawdown, in per cent: from the first on the risk is medium, from the second on high.
_VOLATILITY, _DRAWDOWN = (25.0, 45.0), (15.0, 35.0)
_CAUSES: Mapping[str, Verdict] = MappingProxyType(
    {
        "outcome_provider_error": Verdict.PROVIDER,
        "outcome_rate_limited": Verdict.PROVIDER,
        "outcome_invalid": Verdict.QUALITY,
        "outcome_write_failed": Verdict.STORAGE,
    }
)
#: The sentences about a symbol that the caller holds.
_HELD = ("position", "unrealised", "weight")
#: A verdict, its confidence from 0 to 1, and the names of its sentences.
type _Ruling = tuple[Verdict, float, Sequence[str]]
_UNITS = {
    "percent": "{n}%",
    "yen": gettext_noop("{n} yen"),
    "shares": gettext_noop("{n} shares"),
    "times": gettext_noop("{n} times"),
}
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


def give_opinion(facts: Facts, language: Language) -> Opinion:
    """Return the opinion of the rules; the same facts always give the same one.

    Raises:
        ValueError: the facts have no field that the rules use; facts of `gather_*` always have one.

    """
    verdict, confidence, names = _RULES[facts.kind](facts)
    names = [*names, *_HELD]
    points: list[Point] = [point for name in names if (point := write_point(name, facts, language))]
    return Opinion(subject=facts.subject, verdict=verdict, confidence=confidence, points=tuple(points[:MOST_POINTS]))


def _rule_technical(facts: Facts) -> _Ruling:
    signals = [
        _compare(facts, "close", "sma_25", ("above_short", "below_short")),
        _compare(facts, "sma_25", "sma_75", ("above_long", "below_long")),
        _compare(facts, "macd_12_26_9_histogram", None, ("momentum_up", "momentum_down")),
        _compare(facts, "return_20_pct", None, ("month", "month")),
        _heat(facts),
    ]
    known = [signal for signal in signals if signal is not None]
    if facts.get("sma_25") is None or not known:
        return Verdict.NEUTRAL, 0.1, ["few_bars"]
    share = sum(score for score, _ in known) / len(known)
    names = [name for _, name in known]
    if abs(share) < _LEAN:
        return Verdict.NEUTRAL, round(0.5 + (_LEAN - abs(share)) / 2, 2), names
    return (Verdict.BULLISH if share > 0 else Verdict.BEARISH), round(0.4 + abs(share) / 2, 2), names


def _compare(facts: Facts, field: str, other: str | None, names: tuple[str, str]) -> tuple[int, str] | None:
    value, limit = facts.get(field), 0.0 if other is None else facts.get(other)
    if value is None or limit is None or value == limit:
        return None
    return (1, names[0]) if value > limit else (-1, names[1])


def _heat(facts: Facts) -> tuple[int, str] | None:
    value = facts.get("rsi_14")
    if value is None:
        return None
    if value >= _HOT:
        return -1, "overheated"
    return (1, "oversold") if value <= _COLD else (0, "calm")


def _rule_risk(facts: Facts) -> _Ruling:
    volatility, drawdown = facts.get("volatility_20_pct"), facts.get("max_drawdown_pct")
    if volatility is None or drawdown is None:
        return Verdict.MEDIUM, 0.1, ["few_bars"]
    grades = [_grade(volatility, _VOLATILITY), _grade(-drawdown, _DRAWDOWN)]
    verdict = (Verdict.LOW, Verdict.MEDIUM, Verdict.HIGH)[max(grades)]
    return verdict, 0.8 if grades[0] == grades[1] else 0.6, ["volatility", "drawdown", "worst_day", "turnover"]


def _grade(value: float, limits: tuple[float, float]) -> int:
    return sum(value >= limit for limit in limits)


def _rule_ingest(facts: Facts) -> _Ruling:
    outcomes = [name for row in facts.rows for name in row.values if name.startswith("outcome_")]
    told = [name for name in outcomes if facts.get(name) and name != "outcome_ok"]
    if not facts.get("failed"):
        return Verdict.COMPLETE, 0.9, ["all_fine", *(name for name in told if name not in _CAUSES)]
    counts = dict.fromkeys(_CAUSES.values(), 0.0)
    for name, verdict in _CAUSES.items():
        counts[verdict] += facts.get(name) or 0
    failed = sum(counts.values())
    first = max(counts, key=lambda verdict: counts[verdict])
    share = counts[first] / failed if failed else 0.0
    names = ["some_failed", *(name for name in told if name in _CAUSES), "first_cause"]
    names += [name for name in told if name in {"outcome_not_listed", "outcome_no_trades"}]
    return (first, round(share, 2), names) if share >= 0.8 else (Verdict.MIXED, 0.5, names)


def _rule_backtest(facts: Facts) -> _Ruling:
    names = ["tested_return", "tested_sharpe", "tested_drawdown", "costs", "many_trials", "out_of_sample"]
    excess, sharpe, other = facts.get("excess_return_pct"), facts.get("sharpe"), facts.get("benchmark_sharpe")
    if facts.has_few_trades:
        return Verdict.UNCLEAR, 0.1, ["few_trades", *names]
    if excess is None or sharpe is None or other is None:
        return Verdict.UNCLEAR, 0.1, names
    if excess > 0 and sharpe > other:
        return Verdict.AHEAD, 0.7, names
    return (Verdict.BEHIND if excess < 0 and sharpe < other else Verdict.LEVEL), 0.7, names


_RULES: Mapping[Kind, Callable[[Facts], _Ruling]] = MappingProxyType(
    {
        Kind.TECHNICAL: _rule_technical,
        Kind.RISK: _rule_risk,
        Kind.INGEST: _rule_ingest,
        Kind.BACKTEST: _rule_backtest,
    }
)


def write_point(name: str, facts: Facts, language: Language) -> Point | None:
    """Return a sentence of `PHRASES` on some facts; None if they lack one of its fields."""
    phrase = gettext(PHRASES[name], language)
    fields = [field for _, field, _, _ in Formatter().parse(phrase) if field]
    claims, shown = list[Claim](), dict[str, str]()
    for field in fields:
        row = facts.where(field)
        if row is None:
            return None
        claims.append(Claim(source=row.id, field=field, value=float(row.values[field])))
        shown[field] = _show(field, row.values[field], language)
    return Point(text=phrase.format(**shown), claims=tuple(claims))


def _show(field: str, value: float, language: Language) -> str:
    number = f"{value:,.2f}".rstrip("0").rstrip(".") if value != int(value) else f"{value:,.0f}"
    unit = unit_of(field)
    return gettext(_UNITS[unit], language).format(n=number) if unit else number
