"""The vocabulary of request bodies: sessions, symbols, look-backs, each with its bounds."""

from typing import Annotated

from pydantic import Field

from batch.market.bounds import MAX_LOOKBACK

_Interval = Annotated[str, Field(max_length=8)]
_Lookback = Annotated[int, Field(ge=1, le=MAX_LOOKBACK)]

#: Interval → look-back in trading sessions.
Lookbacks = dict[_Interval, _Lookback]
Symbols = list[Annotated[str, Field(min_length=1, max_length=20)]]
#: A day as YYYY-MM-DD.
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Provider = Annotated[str | None, Field(max_length=40)]
