"""The results of backtests as tables."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from kaboom.backtest.report.conventions import describe_costs
from kaboom.backtest.report.text import MINUS, metric
from kaboom.backtest.strategies.parameters import in_order
from kaboom.cli.output.text import add_row, new_list, new_table, to_jst_line
from kaboom.cli.session import Session
from kaboom.text.speaker import Speaker
from kaboom.text.tables import CODES

#: The most letters to show of a value that differs between runs; a fingerprint is longer.
_MOST_LETTERS = 30
#: The most waiting orders to show.
_MOST_ORDERS = 50
_NUMBERS = frozenset({"shares", "price", "held", "close"})


def print_run(session: Session, result: Mapping[str, Any]) -> None:
    """Print the result of a backtest."""
    words = session.words
    span = {"first": result["first"], "last": result["last"]}
    counts = {
        "symbols": words.count("{n:,} symbol", "{n:,} symbols", result["symbols"]),
        "sessions": words.count("{n:,} session", "{n:,} sessions", result["session_count"]),
    }
    head = {"strategy": result["strategy"], "parameters": say_parameters(result["strategy"], result["parameters"])}
    session.show(
        words.say("{strategy} {parameters} · {symbols} · {first} to {last}, {sessions}", **head, **span, **counts)
    )
    session.show(session.say_source(result["provider"]))
    _say_costs(session, result)
    _say_symbols(session, result)
    if result["parameters"].get("side") == "both" and not result["request"].get("model", {}).get("allows_short"):
        session.show(
            words.say(
                "side is both, and short positions are not allowed: only the long side was run (--short allows them)"
            )
        )
    _say_moment(session, result)
    session.show(_metric_table(words, result))
    if result["is_ruined"]:
        session.show(words.say("short positions lost more than there was: the run ended there"))
    if result.get("next_order_count"):
        print_next_orders(session, result)


def print_next_orders(session: Session, result: Mapping[str, Any]) -> None:
    """Print the orders that wait after the last bar of a run."""
    words, orders, count = session.words, result.get("next_orders", []), result.get("next_order_count", 0)
    after, day = {"last": result["last"]}, result.get("next_session")
    if not count:
        session.show(words.say("no order waits after {last}", **after))
        return
    said = words.count("{n:,} order waits", "{n:,} orders wait", count)
    session.show(
        words.say("{orders} after {last}, for the session of {day}:", orders=said, day=day, **after)
        if day
        else words.say("{orders} after {last}, for the next bar:", orders=said, **after)
    )
    table = new_table(words, "symbol", "side", "shares", "kind", "price", "why", "held", "close", right=_NUMBERS)
    for each in orders[:_MOST_ORDERS]:
        kind, reason = words.code("order_kind", each["kind"]), words.code("order_reason", each["reason"])
        price = "" if each["price"] is None else f"{each['price']:,.1f}"
        numbers = [f"{each['shares']:,.0f}", kind, price, reason, f"{each['held']:,.0f}", f"{each['last']:,.1f}"]
        add_row(table, each["symbol"], words.code("entry", each["side"]), *numbers)
    session.show(table)
    if count > _MOST_ORDERS:
        session.show(words.say("{n:,} more: orders.csv of the job has all", n=count - _MOST_ORDERS))


def print_sweep(session: Session, result: Mapping[str, Any]) -> None:
    """Print the result of a sweep: its best trials, and how much of it may be luck."""
    words = session.words
    session.show(
        words.say(
            "{trials:,} trials, {left_out:,} left out, {lost:,} lost; the best:",
            **{name: result[name] for name in ("trials", "left_out", "lost")},
        )
    )
    _say_costs(session, result)
    _say_symbols(session, result)
    _say_moment(session, result)
    session.show(_best_table(words, result))
    deflated = result["deflated_sharpe"]
    if deflated is not None:
        session.show(
            words.say(
                "deflated Sharpe ratio of the best of {trials:,} trials: {deflated:.1%} probable that it is not luck",
                trials=result["trials"],
                deflated=deflated,
            )
        )
    if result["walk_forward"]:
        session.show(_fold_table(words, result))
        whole, folds = result["walk_forward"]["whole"], len(result["walk_forward"]["folds"])
        numbers = {name: _number(name, whole[name]) for name in ("total_return", "sharpe", "max_drawdown")}
        session.show(
            words.say(
                "walking forward in {folds} steps: return {total_return}, Sharpe {sharpe}, drawdown {max_drawdown}",
                folds=folds,
                **numbers,
            )
        )


def print_repetition(session: Session, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Print whether a rerun gave the same result, and what has changed."""
    is_same = old["digest"] == new["digest"]
    session.show(
        session.words.say(
            "the same bytes: {digest}" if is_same else "the result differs: {digest}", digest=new["digest"][:16]
        )
    )
    if old["fingerprint"] != new["fingerprint"]:
        session.show(
            session.words.say(
                "the bars have changed since: {old}, now {new}",
                old=old["fingerprint"][:16],
                new=new["fingerprint"][:16],
            )
        )
        if not old.get("is_pinned"):
            session.show(
                session.words.say("the first run had no moment to read its bars at: InfluxDB keeps no history")
            )
    if old["code_version"] != new["code_version"]:
        session.show(
            session.words.say(
                "the code has changed since: {old}, now {new}", old=old["code_version"], new=new["code_version"]
            )
        )
    if old["strategy_digest"] != new["strategy_digest"]:
        session.show(session.words.say("the file of strategy {strategy} has changed since", strategy=new["strategy"]))


def print_comparison(session: Session, found: Mapping[str, Any]) -> None:
    """Print runs side by side: their metrics, and what differs."""
    words, items = session.words, found["items"]
    session.show(
        words.say(
            "All runs saw the same bars, splits and listings."
            if found["has_same_bars"]
            else "The runs saw different bars: part of what differs is not the strategy."
        )
    )
    table = _side_by_side(words.say("metric"), found)
    for name in (name for name in CODES["metric"] if any(name in each["metrics"] for each in items)):
        add_row(table, words.code("metric", name), *(_number(name, each["metrics"].get(name)) for each in items))
    session.show(table)
    differing = _side_by_side(words.say("what differs"), found)
    for each in found["differences"]:
        add_row(differing, each["name"], *(_short(value) for value in each["values"]))
    session.show(differing)


def _side_by_side(title: str, found: Mapping[str, Any]) -> Table:
    table = new_list()
    table.show_header = True
    table.add_column(title)
    for each in found["items"]:
        table.add_column(f"{each['strategy']} {each['job_id'][:8]}", justify="right", overflow="fold")
    return table


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else "\u2013" if value is None else str(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


def print_strategies(session: Session, items: list[dict[str, Any]]) -> None:
    """Print the strategies with their parameters and defaults."""
    table = new_table(session.words, "name", "title", "parameters")
    for each in items:
        fields = each["parameters"].get("properties", {})
        parameters = ", ".join(f"{name}={_default(about)}" for name, about in fields.items())
        add_row(table, each["name"], _say_title(session.words, each), parameters)
    session.show(table)


def _say_title(words: Speaker, strategy: Mapping[str, Any]) -> str:
    """Return the title of a strategy; a strategy that is not in the catalogue has its own title."""
    title = words.code("strategy", strategy["name"])
    return str(strategy["title"]) if title == strategy["name"] else title


def say_parameters(strategy: str, parameters: Mapping[str, Any]) -> str:
    """Return parameters as a short text."""
    ordered = in_order(strategy, parameters).items()
    return " ".join(f"{name}={value}" for name, value in ordered if value is not None)


def _say_symbols(session: Session, result: Mapping[str, Any]) -> None:
    """Warn if symbols were left out, or if the list of symbols is newer than the first session."""
    if result["missing"]:
        session.show(
            session.words.count(
                "{n:,} more symbol was asked for and has no bars",
                "{n:,} more symbols were asked for and have no bars",
                result["missing"],
            )
        )
    oldest = min(result["listed_on"], default="")
    if oldest > result["first"]:
        session.show(
            session.words.say(
                "no list of the first day is held: symbols that left before {day} are missing (survivorship bias)",
                day=oldest,
            )
        )


def _say_costs(session: Session, result: Mapping[str, Any]) -> None:
    session.show(describe_costs(result["request"])[session.words.language == "ja"])


def _say_moment(session: Session, result: Mapping[str, Any]) -> None:
    words = session.words
    if result.get("is_pinned"):
        session.show(words.say("bars as of {at}", at=to_jst_line(result["request"]["as_of"], "seconds")))
    else:
        session.show(words.say("bars as they are: InfluxDB keeps no history, so a repetition reads corrected bars"))


def _default(about: Mapping[str, Any]) -> str:
    value = about.get("default")
    return "…" if value is None else str(value)


def _metric_table(words: Speaker, result: Mapping[str, Any]) -> Table:
    table = new_list()
    table.add_column()
    table.add_column(justify="right")
    # The ledger sorts the names, so restore their order.
    for name in (name for name in CODES["metric"] if name in result["metrics"]):
        add_row(table, words.code("metric", name), _number(name, result["metrics"][name]))
    benchmark = result["benchmark"]
    name = words.say("benchmark {name}, total return", name=benchmark["name"])
    add_row(table, name, _number("total_return", benchmark["total_return"]))
    if benchmark.get("note"):
        add_row(table, "", words.detail(benchmark["note"]))
    return table


def _best_table(words: Speaker, result: Mapping[str, Any]) -> Table:
    names = ("total_return", "sharpe", "max_drawdown")
    has_test = any(trial["test"] for trial in result["best"])
    table = new_table(words, "parameters")
    for name in names:
        table.add_column(words.code("metric", name), justify="right")
    has_near = any(trial.get("neighbours") is not None for trial in result["best"])
    if has_near:
        table.add_column(words.say("its neighbours"), justify="right")
    if has_test:
        table.add_column(words.say("test: return"), justify="right")
        table.add_column(words.say("test: Sharpe"), justify="right")
    for trial in result["best"]:
        test = trial["test"] or {}
        tested = [_number(name, test.get(name)) for name in ("total_return", "sharpe")] if has_test else []
        shown = say_parameters(result["strategy"], trial["parameters"])
        near = [_number(result["rank_by"], trial.get("neighbours"))] if has_near else []
        add_row(table, shown, *(_number(name, trial[name]) for name in names), *near, *tested)
    return table


def _fold_table(words: Speaker, result: Mapping[str, Any]) -> Table:
    table = new_table(words, "chosen until", "tested until", "parameters", "Sharpe", right=frozenset({"Sharpe"}))
    table.add_column(words.say("test: return"), justify="right")
    table.add_column(words.say("test: Sharpe"), justify="right")
    for fold in result["walk_forward"]["folds"]:
        tested = [_number(name, fold["test"][name]) for name in ("total_return", "sharpe")]
        shown = say_parameters(result["strategy"], fold["parameters"])
        add_row(table, fold["chosen_until"], fold["tested_until"], shown, _number("sharpe", fold["sharpe"]), *tested)
    return table


def _number(name: str, value: float | None) -> str:
    return metric(name, value).replace(MINUS, "-")
