"""From raw bars to adjusted ones and back: prices times a factor, volumes divided by it; pure, by columns."""

import hashlib

import polars as pl

#: One row per symbol and ex-session: what prices before it are multiplied by.
FACTOR_SCHEMA = pl.Schema({"symbol": pl.String(), "ex_session": pl.Date(), "factor": pl.Float64()})

_DIGITS = 12
_PRICES = ("open", "high", "low", "close")


def cumulate_factors(actions: pl.DataFrame) -> pl.DataFrame:
    """Return, for each row of `FACTOR_SCHEMA`, the product of its factor and of all later ones of the symbol.

    It holds for the sessions before the row's ex-session, down to the ex-session before; sorted by both.
    """
    ordered = actions.select(list(FACTOR_SCHEMA)).sort("symbol", "ex_session")
    return ordered.with_columns(pl.col("factor").cum_prod(reverse=True).over("symbol"))


def adjust_bars(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Return bars as if every share had always been one of today: prices times the factors of all later actions.

    `bars` are in `BAR_SCHEMA`, those of a symbol oldest first; `actions` in `FACTOR_SCHEMA`. Volumes are divided
    and rounded to whole shares, prices to 12 digits and to no tick. A bar's session is the day of `opened_at`: of the
    TSE's bars it is the same in UTC and in Japan. Source: J-Quants, equities/bars/daily, AdjFactor.
    """
    return _scale(bars, actions, by=pl.col("factor"))


def unadjust_bars(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Return the raw bars that `adjust_bars` made these of, but for what rounding took from volumes."""
    return _scale(bars, actions, by=1 / pl.col("factor"))


def digest_actions(actions: pl.DataFrame) -> str:
    """Return 16 hex digits that change with the actions in `FACTOR_SCHEMA`, whatever their order."""
    rows = actions.select(list(FACTOR_SCHEMA)).sort("symbol", "ex_session").rows()
    text = "".join(f"{symbol} {session} {factor.hex()}\n" for symbol, session, factor in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _scale(bars: pl.DataFrame, actions: pl.DataFrame, *, by: pl.Expr) -> pl.DataFrame:
    if bars.is_empty() or actions.is_empty():
        return bars
    factor = by.fill_null(1.0)
    joined = bars.with_columns(ex_session=pl.col("opened_at").dt.date()).join_asof(
        cumulate_factors(actions),
        on="ex_session",
        by="symbol",
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,  # polars cannot tell within groups, and would warn
    )
    # A tenth of 1312 is 131.20000000000002 in floats; what is not scaled stays to the last bit.
    prices = [
        pl.when(factor == 1).then(name).otherwise((pl.col(name) * factor).round_sig_figs(_DIGITS)).alias(name)
        for name in _PRICES
    ]
    scaled = joined.with_columns(*prices, (pl.col("volume") / factor).round().cast(pl.Int64))
    return scaled.select(bars.columns)
