"""Adjusting bars for corporate actions: prices times a factor, volumes divided by it; pure, by columns."""

import hashlib

import polars as pl

from kaboom.market.bar import PRICES

#: One row per symbol and ex-session: the factor of the prices before it.
FACTOR_SCHEMA = pl.Schema({"symbol": pl.String(), "ex_session": pl.Date(), "factor": pl.Float64()})
#: One row per symbol and ex-session: yen for each share held at the close before.
DIVIDEND_SCHEMA = pl.Schema({"symbol": pl.String(), "ex_session": pl.Date(), "amount": pl.Float64()})
#: The same with the raw close before it, and the factor of the prices before it; both null if that close is not stored.
DIVIDEND_FACTOR_SCHEMA = pl.Schema({**DIVIDEND_SCHEMA, "close": pl.Float64(), "factor": pl.Float64()})

_DIGITS = 12
_FACTOR = pl.col("factor").fill_null(1.0)


def cumulate_factors(actions: pl.DataFrame) -> pl.DataFrame:
    """Return, for each row of `FACTOR_SCHEMA`, the product of its factor and all later ones of the symbol.

    It applies to the sessions from the previous ex-session to this one; sorted by symbol, then ex-session.
    """
    ordered = actions.select(list(FACTOR_SCHEMA)).sort("symbol", "ex_session")
    return ordered.with_columns(pl.col("factor").cum_prod(reverse=True).over("symbol"))


def adjust_bars(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Return bars as if every share had always been one of today: prices times the factors of all later actions.

    `bars` are in `BAR_SCHEMA`, oldest first for each symbol; `actions` in `FACTOR_SCHEMA`. Volumes are divided and
    rounded to whole shares, prices to 12 digits, not to a tick. A bar's session is the UTC day of `opened_at`, which is
    also the day in Japan for the TSE. Source: J-Quants, equities/bars/daily, AdjFactor.
    """
    return _scale(bars, actions, (pl.col("volume") / _FACTOR).round().cast(pl.Int64))


def dividend_factors(dividends: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    """Return the factors of dividends in `DIVIDEND_FACTOR_SCHEMA`: 1 - amount / previous close.

    `dividends` are in `DIVIDEND_SCHEMA`, `closes` raw by symbol and session. A dividend of the whole close or more has
    no factor. Source: CRSP and Yahoo adjust closes in this way.
    """
    known = closes.rename({"session": "ex_session"}).sort("symbol", "ex_session")
    found = dividends.sort("symbol", "ex_session").join_asof(
        known, on="ex_session", by="symbol", strategy="backward", allow_exact_matches=False, check_sortedness=False
    )
    factor = pl.when(pl.col("amount") < pl.col("close")).then(1 - pl.col("amount") / pl.col("close"))
    return found.with_columns(factor=factor).select(list(DIVIDEND_FACTOR_SCHEMA))


def reinvest_dividends(bars: pl.DataFrame, dividends: pl.DataFrame) -> pl.DataFrame:
    """Return bars as if each dividend had been reinvested at the close before its ex-session; only prices change.

    `dividends` are in `DIVIDEND_FACTOR_SCHEMA`; one without a factor changes nothing.
    """
    return _scale(bars, dividends.drop_nulls("factor"))


def _scale(bars: pl.DataFrame, factors: pl.DataFrame, *others: pl.Expr) -> pl.DataFrame:
    """Multiply prices by the factors of all later ex-sessions, and replace other columns."""
    if bars.is_empty() or factors.is_empty():
        return bars
    joined = bars.with_columns(ex_session=pl.col("opened_at").dt.date()).join_asof(
        cumulate_factors(factors),
        on="ex_session",
        by="symbol",
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,  # polars cannot check it within groups, and would warn
    )
    # Rounded, since a tenth of 1312 is 131.20000000000002 in floats; unscaled prices keep every bit.
    prices = [
        pl.when(_FACTOR == 1).then(name).otherwise((pl.col(name) * _FACTOR).round_sig_figs(_DIGITS)).alias(name)
        for name in PRICES
    ]
    return joined.with_columns(*prices, *others).select(bars.columns)


def digest_actions(actions: pl.DataFrame) -> str:
    """Return 16 hex digits that change with the actions in `FACTOR_SCHEMA`, but not with their order."""
    rows = actions.select(list(FACTOR_SCHEMA)).sort("symbol", "ex_session").rows()
    text = "".join(f"{symbol} {session} {factor.hex()}\n" for symbol, session, factor in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
