"""The newest points of symbols, looked for in steps back in time and in groups of symbols.

A server merges the points of every symbol from every shard that a query spans. A query of all symbols over all of
history takes too long: 500 symbols over five years of weekly shards took 16 s, their newest two weeks 0.1 s.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import batched

import polars as pl

from kaboom.bars.influx.layout import tag_value
from kaboom.bars.influx.ql import FIRST_S, MOST_SYMBOLS
from kaboom.bars.influx.reads import Between

_DAY_S = 86_400
#: How far back the steps reach: traded symbols have a point in the first, holidays or not. The last is all of history.
_STEPS_S = (14 * _DAY_S, 120 * _DAY_S)

type Ask = Callable[[Between, Sequence[str]], Awaitable[pl.DataFrame]]


async def find_newest(ask: Ask, symbols: Sequence[str], *, around_s: int, before_s: int) -> pl.DataFrame:
    """Return the newest point before `before_s` of each symbol that has one; `symbols` must not be empty.

    `ask` returns the newest points of a range, at least of some symbols, with a column `symbol`. The steps go back from
    `around_s`.
    """
    found, missing, end_s = list[pl.DataFrame](), list(map(tag_value, symbols)), before_s
    for start_s in (*(around_s - step_s for step_s in _STEPS_S), FIRST_S):
        asked, missing = missing, []
        for group in batched(asked, MOST_SYMBOLS):
            rows = (await ask((start_s, end_s), group)).filter(pl.col("symbol").is_in(group))
            found.append(rows)
            held = set(rows["symbol"])
            missing += [symbol for symbol in group if symbol not in held]
        end_s = start_s
    return pl.concat(found)
