"""J-Quants' rows to frames, universes and sessions; pure, and strict: a row that was not requested is a fault."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from kaboom.errors import InvalidRequest, ProviderError
from kaboom.market.action import CorporateAction, check_factor
from kaboom.market.bar import RAW_BAR_SCHEMA
from kaboom.market.listing import Listing, Market
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.market.symbol import parse_symbol
from kaboom.providers.base import FetchedBars
from kaboom.providers.jquants.query import code_of

_MARKETS = {"0111": Market.TSE_PRIME, "0112": Market.TSE_STANDARD, "0113": Market.TSE_GROWTH}
#: `HolDiv`: 0 closed, 1 open, 2 half a day, 3 closed while derivatives trade.
_OPEN, _CLOSED = frozenset({"1", "2"}), frozenset({"0", "3"})
#: J-Quants' name → Kaboom's. O to Vo are as traded; of `Adj…` only the factor is read, since bars are stored raw.
_VALUES = {"O": "open", "H": "high", "L": "low", "C": "close", "Vo": "volume"}
_ROW = {"Date": pl.String(), "Code": pl.String()} | dict.fromkeys(_VALUES, pl.Float64())
#: The fields that are read of a daily and of a minute bar, in answers and in bulk files.
DAILY_FIELDS = _ROW | {"AdjFactor": pl.Float64()}
MINUTE_FIELDS = _ROW | {"Time": pl.String()}
_INDEX_FIELDS = {name: kind for name, kind in _ROW.items() if name != "Vo"}
_LISTING = ("Date", "Code", "CoName", "CoNameEn", "Mkt", "S33Nm", "ScaleCat")

type Rows = Sequence[dict[str, Any]]
#: From this many symbols on, a day with rows of less than half of them is incomplete.
_ENOUGH_TO_TELL = 20


def parse_master(rows: Rows, market: Market, session: date) -> tuple[str, ...]:
    """Return the symbols of the ordinary shares of a market, sorted; the rows must be as of the session.

    Raises:
        ProviderError: a field is missing, the rows are of another day, or the market has no row.

    """
    table = _dated(rows, {"Date": pl.String(), "Code": pl.String(), "Mkt": pl.String()}, "issues", [session])
    codes = [code for code, section in table.select("Code", "Mkt").rows() if _MARKETS.get(section) is market]
    symbols = {symbol for code in codes if (symbol := ordinary_symbol(code))}
    if not symbols:
        raise ProviderError(f"jquants: no issue of {market} among {table.height} of {session}", retryable=True)
    return tuple(sorted(symbols))


def parse_listings(rows: Rows, session: date) -> tuple[Listing, ...]:
    """Return the ordinary shares of the three markets, sorted by symbol; the rows must be as of the session.

    Raises:
        ProviderError: a field is missing or of another type, the rows are of another day, an issue comes twice, or
            there are no issues.

    """
    table = _dated(rows, dict.fromkeys(_LISTING, pl.String()), "issues", [session])
    listings = [listing for row in table.select(_LISTING).iter_rows() if (listing := _listing(*row[1:])) is not None]
    symbols = {listing.symbol for listing in listings}
    if not listings or len(symbols) < len(listings):
        raise ProviderError(
            f"jquants: {session} had {len(listings)} ordinary shares with {len(symbols)} symbols, expected each once",
            retryable=True,
        )
    return tuple(sorted(listings, key=lambda listing: listing.symbol))


def parse_codes(rows: Rows, session: date) -> frozenset[str]:
    """Return the codes of all listed issues; the rows must be as of the session.

    Raises:
        ProviderError: a field is missing, the rows are of another day, or there are no rows.

    """
    table = _dated(rows, {"Date": pl.String(), "Code": pl.String()}, "issues", [session])
    if table.is_empty():
        raise ProviderError(f"jquants: no issue was listed on {session}", retryable=True)
    return frozenset(table["Code"])


def parse_calendar(rows: Rows, count: int, until: date) -> tuple[date, ...]:
    """Return the last `count` sessions of a calendar up to `until`, oldest first; fewer if the calendar begins later.

    Raises:
        ProviderError: a field is missing or unknown, or the calendar does not reach to `until`.

    """
    table = _table(rows, {"Date": pl.String(), "HolDiv": pl.String()}, "calendar days")
    if unknown := {str(kind) for kind in table["HolDiv"]} - _OPEN - _CLOSED:
        raise ProviderError(f"jquants: HolDiv was {min(unknown)[:9]!r}, expected 0, 1, 2 or 3")
    days = dict(zip(_dates(table), table["HolDiv"], strict=True))
    if until not in days:
        last = max(days, default=None)
        raise ProviderError(f"jquants: the calendar ends with {last}, expected it to reach to {until}", retryable=True)
    return tuple(sorted(day for day, kind in days.items() if kind in _OPEN and day <= until)[-count:])


def parse_daily(rows: Rows, symbols: Sequence[str], sessions: Sequence[date]) -> pl.DataFrame:
    """Return the daily bars of some symbols in `RAW_BAR_SCHEMA`; a day without trades is a row without values.

    `sessions` are the first and the last requested day: a row of a day outside of them is a fault.

    Raises:
        ProviderError: a field is missing or of another type, or a row is of another day.

    """
    return make_days(_dated(rows, DAILY_FIELDS, "daily bars", sessions), symbols)


def parse_index_days(rows: Rows, symbols: Sequence[str], sessions: Sequence[date]) -> pl.DataFrame:
    """Return the daily bars of some indices in `RAW_BAR_SCHEMA`, with volume 0: an index is not traded.

    Raises:
        ProviderError: a field is missing or of another type, or a row is of another day.

    """
    table = _dated(rows, _INDEX_FIELDS, "daily bars of indices", sessions)
    return make_days(table.with_columns(Vo=pl.lit(0.0)), symbols)


def make_days(table: pl.DataFrame, symbols: Sequence[str]) -> pl.DataFrame:
    """Return the daily bars of some symbols in `RAW_BAR_SCHEMA`, from rows in `DAILY_FIELDS`."""
    opened_at = pl.col("Date").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC")
    return _bars(table, symbols, opened_at)


def parse_actions(rows: Rows, symbols: Sequence[str]) -> tuple[CorporateAction, ...]:
    """Return the actions of some symbols in rows that `parse_daily` has taken: where AdjFactor is not 1.

    Raises:
        ProviderError: a factor is not valid for an action.

    """
    # By far most rows have 1, and a day has 4,400 of them.
    changed = [row for row in rows if row["AdjFactor"] not in (1, None)]
    if not changed:
        return ()
    names = {code_of(symbol): symbol for symbol in symbols}
    return tuple(_parse_action(row, names[row["Code"]]) for row in changed if row["Code"] in names)


def parse_minutes(rows: Rows, symbol: str, sessions: Sequence[date]) -> pl.DataFrame:
    """Return the minute bars of a symbol in `RAW_BAR_SCHEMA`; minutes without trades have no row.

    Raises:
        ProviderError: a field is missing or of another type, or a row is of another issue or day.

    """
    table = _dated(rows, MINUTE_FIELDS, "minute bars", sessions)
    expect_code(rows, symbol)
    return make_minutes(table, [symbol])


def make_minutes(table: pl.DataFrame, symbols: Sequence[str]) -> pl.DataFrame:
    """Return the minute bars of some symbols in `RAW_BAR_SCHEMA`, from rows in `MINUTE_FIELDS`.

    Raises:
        ProviderError: a time cannot be read.

    """
    text = pl.concat_str("Date", pl.lit(" "), "Time")
    local = text.str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", strict=False)
    if table.select(local.is_null().any()).item():
        raise ProviderError("jquants: a minute's Time was no HH:MM", retryable=True)
    return _bars(table, symbols, local.dt.replace_time_zone("Asia/Tokyo").dt.convert_time_zone("UTC"))


def expect_code(rows: Rows, symbol: str) -> None:
    """Raise ProviderError unless every row is of the requested issue."""
    if others := {str(row.get("Code")) for row in rows} - {code_of(symbol)}:
        raise ProviderError(f"jquants: asked for {code_of(symbol)}, rows were of {min(others)[:9]!r}", retryable=True)


def _parse_action(row: Mapping[str, Any], symbol: str) -> CorporateAction:
    try:
        factor = check_factor(row["AdjFactor"])
    except InvalidRequest as e:
        raise ProviderError(f"jquants: {symbol} on {row['Date']}: AdjFactor: {e.message}") from e
    return CorporateAction(symbol, date.fromisoformat(row["Date"]), factor)


def _table(rows: Rows, schema: dict[str, Any], what: str) -> pl.DataFrame:
    for row in rows:
        # A missing field is a fault, but a null field means that nothing traded.
        if missing := schema.keys() - row.keys():
            raise ProviderError(f"jquants: {what} lacked {sorted(missing)}, expected {sorted(schema)}")
    try:
        return pl.DataFrame({name: [row[name] for row in rows] for name in schema}, schema=schema, strict=True)
    except (TypeError, pl.exceptions.PolarsError) as e:
        raise ProviderError(f"jquants: {what} had a value of another type than documented", retryable=True) from e


def _dated(rows: Rows, schema: dict[str, Any], what: str, sessions: Sequence[date]) -> pl.DataFrame:
    """Return a table of rows; a day before the first or after the last session is a fault."""
    table = _table(rows, schema, what)
    first, last = min(sessions), max(sessions)
    if others := [day for day in _dates(table) if not first <= day <= last]:
        asked = f"{first}" if first == last else f"{first} to {last}"
        raise ProviderError(f"jquants: asked for {asked}, rows were of {min(others)}", retryable=True)
    return table


def _dates(table: pl.DataFrame) -> list[date]:
    try:
        return [date.fromisoformat(text) for text in table["Date"]]
    except (TypeError, ValueError) as e:
        raise ProviderError("jquants: a row's Date was no YYYY-MM-DD", retryable=True) from e


def _bars(table: pl.DataFrame, symbols: Sequence[str], opened_at: pl.Expr) -> pl.DataFrame:
    names = {code_of(symbol): symbol for symbol in symbols}
    symbol = pl.col("Code").replace_strict(names, default=None, return_dtype=pl.String())
    values = [pl.col(theirs).alias(ours) for theirs, ours in _VALUES.items()]
    return (
        table.with_columns(*values, symbol=symbol, opened_at=opened_at)
        .filter(pl.col("symbol").is_not_null())
        .select(RAW_BAR_SCHEMA.names())
    )


def ordinary_symbol(code: str) -> str:
    """Return the symbol of a code of ordinary shares; `""` for any other code."""
    try:
        symbol = parse_symbol(code)
    except InvalidRequest:
        return ""
    return symbol if len(symbol) == len("7203") else ""


def _listing(code: str, *texts: str | None) -> Listing | None:
    # As in JPX's own list: full-width letters made ordinary, "-" for none.
    name, english, section, sector, scale = (unicodedata.normalize("NFKC", text or "").strip() for text in texts)
    market = _MARKETS.get(section)
    symbol = ordinary_symbol(code) if market else ""
    if market is None or not symbol:
        return None
    return Listing(symbol, name, market, sector.strip("-"), scale.strip("-"), english.strip("-"))


def traded(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the bars with trades; a day without trades is a row without values."""
    prices = ("open", "high", "low", "close")
    return bars.filter(~pl.all_horizontal(pl.col(*prices).is_null() & ((pl.col("volume") == 0).fill_null(value=True))))


def add_outcomes(symbols: Sequence[str], rows: pl.DataFrame, listed: Collection[str] = ()) -> FetchedBars:
    """Return the bars among some rows, and the outcomes of symbols without bars.

    A symbol with a row was listed. `listed` are further symbols that are known to have been listed.
    """
    bars = traded(rows)
    known, brought = {*rows["symbol"], *listed}, set(bars["symbol"])
    outcomes = {
        symbol: SymbolOutcome(symbol, Outcome.NO_TRADES if symbol in known else Outcome.NOT_LISTED)
        for symbol in symbols
        if symbol not in brought
    }
    return FetchedBars(bars, outcomes)


def expect_whole(session: date, what: str, *, asked: int, found: int) -> None:
    """Raise ProviderError for an incomplete session: it has less than half of many requested symbols.

    `what` says what the session had, such as `"10 rows"`.
    """
    if asked >= _ENOUGH_TO_TELL and found * 2 < asked:
        raise unfinished(session, what, asked=asked, found=found)


def unfinished(session: date, what: str, *, asked: int, found: int) -> ProviderError:
    """Return the error of a session whose bars J-Quants has not published completely."""
    return ProviderError(
        f"jquants: {session} had {what}, of {asked} issues asked for {found}; daily bars come at about 16:30 in Japan",
        retryable=True,
    )
