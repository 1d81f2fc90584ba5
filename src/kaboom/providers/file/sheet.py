"""Cells to bars, as traded before reported splits: some files of one layout at once, with their facts; pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from kaboom.errors import InvalidRequest
from kaboom.market.action import CorporateAction, check_factor
from kaboom.market.bar import RAW_BAR_SCHEMA, VALUES
from kaboom.market.interval import Interval
from kaboom.market.symbol import is_tse_code
from kaboom.providers.divided_prices import day_prices, find_divisors, undivide, undivide_dividend
from kaboom.providers.file.errors import Refusal
from kaboom.providers.file.names import find_names, parse_file_symbol
from kaboom.providers.file.plausibility import check_names, find_notes
from kaboom.providers.file.reader import Cells, OpenedFile
from kaboom.providers.file.recognise.layout import NUMBERS, Layout, Role
from kaboom.providers.file.recognise.numbers import NumberRules, find_unclear, parse_numbers
from kaboom.providers.file.refusals import Refusals
from kaboom.providers.file.spans import TOKYO, drop_days, find_intervals
from kaboom.providers.file.times import TimeRules, date_rows
from kaboom.providers.rows import SymbolRows

#: Rows of files that are lost: what could be read of each, the number of its file, and its line. `of` and `session` are
#: the symbol and the day that the row belongs to, by itself or by the rows beside it; null if no row beside it has any.
LOST_SCHEMA = pl.Schema(
    {**RAW_BAR_SCHEMA, "file": pl.UInt32(), "line": pl.Int64(), "of": pl.String(), "session": pl.Date()}
)


def find_lost_rows(filled: pl.DataFrame, rows: pl.DataFrame, opened: Sequence[OpenedFile]) -> pl.DataFrame:
    """Return the rows that are not bars, in `LOST_SCHEMA`: `filled` has the cells of all, `rows` the dated ones.

    Both have `row`, the number of the row. A dated row is lost, too, if it has no value left, and `is_bad`: a cell that
    is no number. With some values, the quality rules reject it.
    """
    is_lost = pl.col("is_bad") & pl.all_horizontal(pl.col(name).is_null() for name in VALUES)
    if rows.height == filled.height and not rows.select(is_lost.any()).item():
        return pl.DataFrame(schema=LOST_SCHEMA)
    known = rows.select("row", is_lost.alias("is_lost"), "session", "opened_at", of="symbol")
    every = filled.join(known, on="row", how="left", maintain_order="left")
    owners = pl.lit(pl.Series([each.owner for each in opened], dtype=pl.String)).gather(pl.col("file"))
    every = every.with_columns(of=pl.coalesce("of", owners))
    # A row goes with the one above, else with the one below, of its own symbol if it is known.
    every = every.with_columns(of=_beside("of").over("file"))
    every = every.with_columns(session=_beside("session").over("file", "of"))
    lost = every.filter(pl.col("is_lost").fill_null(value=True))
    cells = [_numbers(lost, name) for name in VALUES]
    symbol = pl.col("symbol").cast(pl.String) if "symbol" in lost.columns else pl.col("of")
    lost = lost.with_columns(*cells, symbol=pl.coalesce(symbol, "of", pl.lit("")))
    return lost.select(pl.col(name).cast(kind) for name, kind in LOST_SCHEMA.items())


def _beside(name: str) -> pl.Expr:
    return pl.col(name).forward_fill().backward_fill()


def _numbers(rows: pl.DataFrame, name: str) -> pl.Series:
    return parse_numbers(rows[name])[0].alias(name) if name in rows.columns else pl.Series(name, [None] * rows.height)


@dataclass(frozen=True, slots=True)
class Facts:
    """The content of a file: no interval, symbols or sessions if it has no rows.

    Attributes:
        interval: the length of its bars.
        spans: symbol → its first and last session.
        names: symbol → its name, of those that a column names.
        rows: how many bars it has.
        sessions: on how many days it has bars.
        time_zone: the zone of its times without one; None if all have one, or none is needed.
        refusals: the parts of it that are not used.
        notes: what its values show that a reader should know.

    """

    interval: Interval | None = None
    spans: Mapping[str, tuple[date, date]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    sessions: int = 0
    time_zone: str | None = None
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """The bars of some files, and the facts of each.

    Attributes:
        opened: the files.
        facts: the content of each.
        rows: `RAW_BAR_SCHEMA`, with `session`, `file`, the number of the file, and `line`; sorted by file.
        actions: the corporate actions that the files report.
        lost: the rows that cannot be read, in `LOST_SCHEMA`.

    """

    opened: Sequence[OpenedFile]
    facts: Sequence[Facts]
    rows: pl.DataFrame
    actions: Sequence[CorporateAction] = field(default=())
    lost: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LOST_SCHEMA))


def build_sheet(opened: Sequence[OpenedFile], cells: Cells, rules: TimeRules, numbers: NumberRules) -> Sheet:
    """Return the bars of some files; an unreadable cell is null and refused, and a row without a time is lost."""
    layout, frame = opened[0].layout, cells.frame
    refused = Refusals(opened)
    refused.add(cells.refusals)
    beside = {"row", "file", "line", "name", "note", _given_symbol(layout)}
    given = [name for name in frame.columns if name not in beside]
    is_filled = ~pl.all_horizontal(pl.col(given).is_null())
    filled = frame.filter(is_filled | pl.col("line").is_in(cells.broken))
    refused.judge_notes(frame)
    frame = _name(frame.filter(is_filled), opened, refused)
    frame = _read_numbers(frame, layout, refused, numbers)
    zones = [_zone_of(each, rules, layout) for each in opened]
    frame = date_rows(frame, layout.times, zones, rules, is_japanese=layout.is_japanese)
    frame = refused.drop_whole(refused.judge_times(frame, layout))
    dated = frame.filter(pl.col("fault").is_null(), pl.col("utc").is_not_null(), pl.col("symbol").is_not_null())
    dated = check_names(dated, opened, refused)
    intervals = find_intervals(dated, opened, zones, refused, is_assumed=rules.zone is None)
    dated = drop_days(dated, intervals, zones, refused)
    dated = _open(dated, intervals) if rules.stamp == "end" else dated
    rows = _to_bars(dated, intervals, has_volume=Role.VOLUME in layout.columns)
    actions = find_actions(rows, refused)
    rows = restore_traded(rows, intervals, actions) if Role.SPLIT in layout.columns else rows
    facts = _find_facts(rows, intervals, zones, refused, find_notes(rows, layout, len(opened)))
    lost = find_lost_rows(filled, rows, opened)
    return Sheet(opened, facts, rows.select(*RAW_BAR_SCHEMA.names(), "session", "file", "line"), actions, lost)


def _given_symbol(layout: Layout) -> str:
    """Return the name of the column of symbols that a layout with a block for each symbol gives every row."""
    return "symbol" if layout.blocks[0].symbol else ""


def _name(frame: pl.DataFrame, opened: Sequence[OpenedFile], refused: Refusals) -> pl.DataFrame:
    """Return rows with the parsed `symbol`; null if the cell is empty or not a symbol."""
    if "symbol" not in frame.columns:
        owners = pl.Series([each.owner for each in opened], dtype=pl.String)
        return frame.with_columns(symbol=pl.lit(owners).gather(pl.col("file")))
    text = frame["symbol"].cast(pl.String).str.strip_chars()
    known: dict[str, str] = {}
    for spelling in text.unique().drop_nulls():
        try:
            known[spelling] = parse_file_symbol(spelling)
        except InvalidRequest as e:
            places = frame.filter(text == spelling)
            refused.add_rows(places, e.message, column=refused.layout.name_of(Role.SYMBOL))
    symbols = text.replace_strict(known, default=None, return_dtype=pl.String)
    # A row with an invalid symbol is refused here; a row without a symbol is refused with its time.
    bad = symbols.is_null() & text.is_not_null()
    return frame.with_columns(symbol=symbols).filter(~bad)


def _read_numbers(frame: pl.DataFrame, layout: Layout, refused: Refusals, rules: NumberRules) -> pl.DataFrame:
    """Return rows with numbers, and `is_bad` where a cell is none; no rows if an unknown column may be the volume."""
    frame = frame.with_columns(is_bad=pl.lit(value=False))
    unclear = _find_unclear(frame, layout, rules)
    for role in (role for role in (*NUMBERS, Role.TICKS) if role.value in frame.columns):
        is_volume = role is Role.VOLUME
        power = layout.power if is_volume else 0
        numbers, bad = parse_numbers(frame[role.value], rules, power=power, has_units=is_volume)
        doubted = unclear[role.value] & ~bad if role.value in unclear else bad & ~bad
        for cells, is_clear in ((bad, True), (doubted, False)):
            if cells.any() and role is not Role.TICKS:
                refused.add_cells(frame.filter(cells), role.value, layout.name_of(role), is_clear=is_clear)
                frame = frame.with_columns(is_bad=pl.col("is_bad") | cells)
        frame = frame.with_columns(numbers.set(doubted, None).alias(role.value))
    if Role.VOLUME not in layout.columns and layout.unknown:
        names = ", ".join(layout.unknown)[:120]
        refused.add_file_wide(
            f"expected a column of volume, found none beside the unknown {names!r}: rename or remove it"
        )
        return frame.clear()
    return frame


def _find_unclear(frame: pl.DataFrame, layout: Layout, rules: NumberRules) -> pl.DataFrame:
    """Return masks of the numbers that can be read in two ways; no columns if there is no such number."""
    texts = frame.select(role.value for role in NUMBERS if frame.schema.get(role.value) == pl.String())
    # Thousands of shares have three decimals.
    volume = "" if layout.power else Role.VOLUME.value
    may_be = [texts[name].str.contains("[,\uff0c]").any() for name in texts.columns]
    may_be += [texts[volume].str.contains(".", literal=True).any()] if volume in texts.columns else []
    if rules.decimal is not None or not (any(may_be) or layout.separator == ";"):
        return pl.DataFrame()
    return find_unclear(texts, volume, frame["file"], layout)


def _zone_of(opened: OpenedFile, rules: TimeRules, layout: Layout) -> str | None:
    if rules.zone is not None:
        return rules.zone
    owner = opened.owner or layout.blocks[0].symbol
    return TOKYO if layout.is_japanese or (owner is not None and is_tse_code(owner)) else None


def _open(rows: pl.DataFrame, intervals: Sequence[Interval | None]) -> pl.DataFrame:
    """Return rows that are stamped at the end of their bar, at its start; days keep their day."""
    seconds = pl.Series([0 if each in {None, Interval.D1} else each.seconds for each in intervals], dtype=pl.Int64)
    length = pl.duration(seconds=pl.lit(seconds).gather(pl.col("file")))
    return rows.with_columns(pl.col("utc") - length, pl.col("local") - length)


def _to_bars(rows: pl.DataFrame, intervals: Sequence[Interval | None], *, has_volume: bool) -> pl.DataFrame:
    """Return rows of files with an interval, in `RAW_BAR_SCHEMA` and with their session, file and other columns."""
    daily = pl.Series([interval is Interval.D1 for interval in intervals], dtype=pl.Boolean)
    known = pl.Series([interval is not None for interval in intervals], dtype=pl.Boolean)
    is_daily = pl.lit(daily).gather(pl.col("file"))
    # The session of a daily row is its local day, of any other its UTC day, as the stores have it.
    session = pl.when(is_daily).then(pl.col("local").dt.date()).otherwise(pl.col("utc").dt.date())
    rows = rows.filter(pl.lit(known).gather(pl.col("file"))).with_columns(session=session)
    stamp = (
        pl.when(is_daily).then(pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")).otherwise("utc")
    )
    rows = rows.with_columns(opened_at=stamp)
    if not has_volume:
        # Indices and currencies have no volume; exporters that always have the column write 0.
        rows = rows.with_columns(volume=pl.lit(0.0))
    return rows.with_columns(pl.col(name).cast(kind) for name, kind in RAW_BAR_SCHEMA.items())


def _find_facts(
    rows: pl.DataFrame,
    intervals: Sequence[Interval | None],
    zones: Sequence[str | None],
    refused: Refusals,
    notes: Sequence[tuple[str, ...]],
) -> list[Facts]:
    session, files = pl.col("session"), len(notes)
    found = rows.group_by("file", "symbol").agg(session.min().alias("first"), session.max().alias("last"), pl.len())
    facts = [Facts(time_zone=zone, refusals=refused.of(n)) for n, zone in enumerate(zones)]
    spans: list[dict[str, tuple[date, date]]] = [{} for _ in range(files)]
    counts = [0] * files
    for file, symbol, first, last, count in found.rows():
        spans[file][symbol] = (first, last)
        counts[file] += count
    names = find_names(rows)
    days = dict(rows.group_by("file").agg(pl.col("session").n_unique()).rows())
    for file in range(files):
        if counts[file]:
            facts[file] = replace(
                facts[file], interval=intervals[file], spans=spans[file], rows=counts[file],
                sessions=days[file], notes=notes[file], names=names.get(file, {}),
            )  # fmt: skip
    return facts


def find_actions(rows: pl.DataFrame, refused: Refusals) -> list[CorporateAction]:
    """Return the splits in rows with a column of factors, as J-Quants' files, or of ratios, as Yahoo's, and dividends.

    A dividend is yen for each share held at the close before.
    """
    splits = [
        *_read(rows, Role.FACTOR, refused, lambda row: _split(row, row[Role.FACTOR])),
        *_read(rows, Role.SPLIT, refused, lambda row: _split(row, 1 / row[Role.SPLIT])),
    ]

    def pay(row: dict[str, Any]) -> CorporateAction:
        of_symbol = [split for split in splits if split.symbol == row["symbol"]]
        return undivide_dividend(row["symbol"], row["session"], row[Role.DIVIDEND], of_symbol)

    return [*splits, *_read(rows, Role.DIVIDEND, refused, pay)]


def _read(
    rows: pl.DataFrame, role: Role, refused: Refusals, read: Callable[[dict[str, Any]], CorporateAction]
) -> Iterator[CorporateAction]:
    """Yield the actions of a column, and refuse invalid ones; 0 and, for factors, 1 mean that there is no action."""
    if role.value not in rows.columns:
        return
    value = pl.col(role.value)
    none = (value == 1) if role is Role.FACTOR else value.is_in([0.0, 1.0] if role is Role.SPLIT else [0.0])
    changed = rows.filter(value.is_not_null(), ~none)
    for row in changed.unique(["symbol", "session", role.value], maintain_order=True).iter_rows(named=True):
        try:
            yield read(row)
        except InvalidRequest as e:
            place = pl.DataFrame([row]).cast({"file": pl.UInt32})
            refused.add_rows(place, e.message, column=refused.layout.name_of(role))


def _split(row: dict[str, Any], factor: float) -> CorporateAction:
    return CorporateAction(row["symbol"], row["session"], check_factor(factor))


def restore_traded(
    rows: pl.DataFrame, intervals: Sequence[Interval | None], actions: Sequence[CorporateAction]
) -> pl.DataFrame:
    """Return rows with prices and volumes as traded, by the splits in the files; Yahoo's are divided by splits."""
    splits = [action for action in actions if not action.amount]
    for symbol in sorted({split.symbol for split in splits}):
        of_symbol = rows["symbol"] == symbol
        part = rows.filter(of_symbol)
        interval = intervals[part["file"][0]] or Interval.D1
        values = np.vstack([part[name].to_numpy() for name in VALUES])
        given = SymbolRows(symbol, part["opened_at"].to_physical().to_numpy(), values)
        days = day_prices([given], interval)
        divisors = find_divisors(days, [split for split in splits if split.symbol == symbol])
        traded = undivide(given, interval, days, divisors)
        same = np.isclose(traded.values[:4], values[:4], rtol=1e-6, atol=0).all(axis=0)
        # Values that were not divided keep every bit.
        kept = np.where(same, values, traded.values)
        places = of_symbol.arg_true()
        rows = rows.with_columns(
            rows[name].scatter(places, pl.Series(kept[n], nan_to_null=True)) for n, name in enumerate(VALUES)
        )
    return rows
