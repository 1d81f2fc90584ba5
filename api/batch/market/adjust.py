"""Adjusting bars for corporate actions: prices times a factor, volumes divided by it; pure, by columns."""

import hashlib

import polars as pl

#: One row per symbol and ex-session: the factor of the prices before it.
FACTOR_SCHEMA = pl.Schema({"symbol": pl.String(), "ex_session": pl.Date(), "factor": pl.Float64()})
#: One row per symbol and ex-session: yen for each share held at the close before.
DIVIDEND_SCHEMA = pl.Schema({"symbol": pl.String(), "ex_session": pl.Date(), "amount": pl.Float64()})

_DIGITS = 12
_PRICES = ("open", "high", "low", "close")


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
    if bars.is_empty() or actions.is_empty():
        return bars
    factor = pl.col("factor").fill_null(1.0)
    joined = bars.with_columns(ex_session=pl.col("opened_at").dt.date()).join_asof(
        cumulate_factors(actions),
        on="ex_session",
        by="symbol",
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,  # polars cannot check it within groups, and would warn
    )
    # Rounded, since a tenth of 1312 is 131.20000000000002 in floats; unscaled prices keep every bit.
    prices = [
        pl.when(factor == 1).then(name).otherwise((pl.col(name) * factor).round_sig_figs(_DIGITS)).alias(name)
        for name in _PRICES
    ]
    scaled = joined.with_columns(*prices, (pl.col("volume") / factor).round().cast(pl.Int64))
    return scaled.select(bars.columns)


def digest_actions(actions: pl.DataFrame) -> str:
    """Return 16 hex digits that change with the actions in `FACTOR_SCHEMA`, but not with their order."""
    rows = actions.select(list(FACTOR_SCHEMA)).sort("symbol", "ex_session").rows()
    text = "".join(f"{symbol} {session} {factor.hex()}\n" for symbol, session, factor in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
